//! Job ids and digests of submissions, by which a repeated request is recognised.

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::v1::SubmitJobRequest;
use uuid::{Builder, Uuid};

/// A payload as bytes, with their digest: both are computed once, and used for the queue, for the
/// bulk store and for the digest of the submission.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EncodedPayload {
    /// An encoded `solvemesh.broker.v1.JobPayload`.
    pub(crate) bytes: Bytes,
    /// The SHA-256 of the bytes.
    pub(crate) digest: [u8; 32],
}

impl EncodedPayload {
    /// Encodes a payload.
    pub(super) fn new(payload: &impl Message) -> Self {
        let bytes = Bytes::from(payload.encode_to_vec());
        let digest = Sha256::digest(&bytes).into();
        Self { bytes, digest }
    }
}

/// The digest of a submission. Two submissions with one request id must agree in it to count as
/// the same job.
///
/// It covers the payload in normal form, so that the form in which a model was sent does not
/// matter; the options and time limits as requested, without defaults, so that it survives a
/// change of a default; and everything else of the request but its id and `validate_only`.
/// `request` has no model, sweep and starts any more: they are the payload.
pub(super) fn digest(
    tenant: &str,
    name: &str,
    payload: &EncodedPayload,
    request: &SubmitJobRequest,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Each part is preceded by its length as 8 bytes, little-endian, so that different parts
    // never concatenate to the same bytes.
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    let rest =
        SubmitJobRequest { request_id: String::new(), validate_only: false, ..request.clone() };
    part(tenant.as_bytes());
    part(name.as_bytes());
    part(&payload.digest);
    // Maps are ordered, so that equal requests have equal encodings.
    part(&rest.encode_to_vec());
    hash.finalize().into()
}

/// The id of a new job: derived from tenant and request id, so that every gateway computes the
/// same one without coordination; random where there is no request id.
pub(crate) fn job_id(tenant: &str, request_id: &str) -> String {
    if request_id.is_empty() {
        return Uuid::new_v4().to_string();
    }
    let hash = Sha256::new()
        .chain_update("solvemesh.v1 request id\0")
        // A tenant has no NUL, so that no other pair has the same concatenation.
        .chain_update(tenant)
        .chain_update("\0")
        .chain_update(request_id)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    // UUID version 8 of RFC 9562: custom content.
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use solvemesh::{
        broker::v1::JobPayload,
        v1::{LinearModel, SolveOptions, StartingPoint, Sweep},
    };

    use super::*;

    #[test]
    fn job_id_is_derived_from_tenant_and_request_id() {
        assert_eq!(job_id("", "r-1"), job_id("", "r-1"));
        assert_ne!(job_id("", "r-1"), job_id("", "r-2"));
        assert_ne!(job_id("a", "r-1"), job_id("b", "r-1"));
        assert_ne!(job_id("", ""), job_id("", ""));
        assert_eq!(Uuid::parse_str(&job_id("", "r-1")).map(|id| id.get_version_num()), Ok(8));
    }

    #[test]
    fn digest_depends_on_every_part_but_the_request_id() {
        let request = SubmitJobRequest::default();
        let payload = JobPayload::from(LinearModel::default());
        let offset = LinearModel { objective_offset: 1.0, ..LinearModel::default() };
        let payloads = [
            payload.clone(),
            JobPayload { model: Some(offset), ..payload.clone() },
            JobPayload { start: Some(StartingPoint::default()), ..payload.clone() },
            JobPayload { sweep: Some(Sweep::default()), ..payload.clone() },
        ];
        let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let options = Some(SolveOptions { seed: Some(0), ..SolveOptions::default() });
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let requests = [
            SubmitJobRequest { options, ..request.clone() },
            SubmitJobRequest { labels, ..request.clone() },
            SubmitJobRequest { lane: "lane".to_owned(), ..request.clone() },
            SubmitJobRequest { total_time_limit: second, ..request.clone() },
            SubmitJobRequest { queue_time_limit: second, ..request.clone() },
        ];
        let encoded = EncodedPayload::new(&payload);
        let mut digests: Vec<_> = payloads
            .iter()
            .map(|payload| digest("", "name", &EncodedPayload::new(payload), &request))
            .chain(requests.iter().map(|request| digest("", "name", &encoded, request)))
            .chain([digest("", "other", &encoded, &request)])
            .chain([digest("tenant", "name", &encoded, &request)])
            .collect();
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);

        let again =
            SubmitJobRequest { request_id: "r".to_owned(), validate_only: true, ..request.clone() };
        assert_eq!(digest("", "n", &encoded, &again), digest("", "n", &encoded, &request));
    }
}
