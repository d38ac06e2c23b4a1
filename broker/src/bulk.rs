//! The description of what is stored in parts, and whether parts fit it.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use solvemesh::broker::v1::BulkReference;
use uuid::Uuid;

use crate::{MAX_PART_BYTES, MeshError};

/// Describes parts under a new id; their first offset is for the store to fill in.
pub(crate) fn describe(parts: &[Bytes]) -> Result<BulkReference, MeshError> {
    if let Some(part) = parts.iter().find(|part| part.len() > MAX_PART_BYTES) {
        return Err(MeshError::TooLarge { bytes: part.len(), limit: MAX_PART_BYTES });
    }
    let count = u32::try_from(parts.len()).map_err(|_| MeshError::TooLarge {
        bytes: parts.len().saturating_mul(MAX_PART_BYTES),
        limit: MAX_PART_BYTES.saturating_mul(u32::MAX as usize),
    })?;
    Ok(BulkReference {
        id: Uuid::new_v4().to_string(),
        first_offset: 0,
        parts: count,
        bytes: size(parts),
        digest: digest(parts),
    })
}

/// Whether these are the parts that `reference` describes.
pub(crate) fn check(reference: &BulkReference, parts: &[Bytes]) -> Result<(), MeshError> {
    let fits = parts.len() as u64 == u64::from(reference.parts)
        && size(parts) == reference.bytes
        && digest(parts) == reference.digest;
    if fits {
        Ok(())
    } else {
        Err(MeshError::Gone(format!("{} is not as it was stored", reference.id)))
    }
}

fn size(parts: &[Bytes]) -> u64 {
    parts.iter().map(|part| part.len() as u64).sum()
}

fn digest(parts: &[Bytes]) -> Vec<u8> {
    parts.iter().fold(Sha256::new(), |sha, part| sha.chain_update(part)).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_changed_do_not_fit_their_reference() {
        let parts = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        let reference = describe(&parts).expect("small");
        assert_eq!(check(&reference, &parts), Ok(()));
        for wrong in [
            vec![Bytes::from_static(b"ab")],
            vec![Bytes::from_static(b"ab"), Bytes::from_static(b"d")],
            vec![Bytes::from_static(b"abc")],
        ] {
            assert!(matches!(check(&reference, &wrong), Err(MeshError::Gone(_))));
        }
    }

    #[test]
    fn a_part_over_the_limit_is_refused() {
        let parts = [Bytes::from(vec![0; MAX_PART_BYTES + 1])];
        assert!(matches!(describe(&parts), Err(MeshError::TooLarge { .. })));
    }
}
