//! Creates and checks the references to objects that are stored in parts.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use solvemesh::broker::v1::BulkReference;
use uuid::Uuid;

use crate::{MAX_PART_BYTES, MeshError};

/// An object to store: its parts, at most [`MAX_PART_BYTES`] each, and the SHA-256 of all of
/// their bytes in order.
#[derive(Clone, Debug)]
pub struct BulkObject {
    parts: Vec<Bytes>,
    digest: Vec<u8>,
}

impl BulkObject {
    /// An object whose digest is computed here.
    pub fn new(parts: Vec<Bytes>) -> Self {
        let digest = digest(&parts);
        Self { parts, digest }
    }

    /// An object whose digest is known already: a large model is hashed only once.
    pub fn with_digest(parts: Vec<Bytes>, digest: Vec<u8>) -> Self {
        Self { parts, digest }
    }

    /// The reference, with a new id, and the parts. The store fills in `first_offset`.
    pub(crate) fn describe(self) -> Result<(BulkReference, Vec<Bytes>), MeshError> {
        let Self { parts, digest } = self;
        if let Some(part) = parts.iter().find(|part| part.len() > MAX_PART_BYTES) {
            return Err(MeshError::TooLarge { bytes: part.len(), limit: MAX_PART_BYTES });
        }
        let count = u32::try_from(parts.len()).map_err(|_| MeshError::TooLarge {
            bytes: parts.len().saturating_mul(MAX_PART_BYTES),
            limit: MAX_PART_BYTES.saturating_mul(u32::MAX as usize),
        })?;
        let reference = BulkReference {
            id: Uuid::new_v4().to_string(),
            first_offset: 0,
            parts: count,
            bytes: size(&parts),
            digest,
        };
        Ok((reference, parts))
    }
}

/// Checks that `parts` are those of `reference`: their number, total size and digest.
pub(crate) fn check(reference: &BulkReference, parts: &[Bytes]) -> Result<(), MeshError> {
    let matches = parts.len() as u64 == u64::from(reference.parts)
        && size(parts) == reference.bytes
        && digest(parts) == reference.digest;
    if matches {
        Ok(())
    } else {
        Err(MeshError::Gone(format!("the parts of {} do not match its reference", reference.id)))
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
    fn changed_parts_do_not_match_their_reference() {
        let parts = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
        let (reference, _) = BulkObject::new(parts.to_vec()).describe().expect("small");
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
        assert!(matches!(
            BulkObject::new(parts.to_vec()).describe(),
            Err(MeshError::TooLarge { .. })
        ));
    }
}
