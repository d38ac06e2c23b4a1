use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::v1::{LinearModel, SolveOptions};
use uuid::{Builder, Uuid};

/// What makes two submissions the same.
pub(super) struct Payload<'a> {
    /// The model's name.
    pub(super) name: &'a str,
    /// In normal form: however it was written, it is the same model.
    pub(super) model: &'a LinearModel,
    /// As they were asked for: a default that changes makes no other submission.
    pub(super) options: &'a SolveOptions,
    /// The labels.
    pub(super) labels: &'a std::collections::BTreeMap<String, String>,
    /// The lane that was asked for.
    pub(super) lane: &'a str,
}

impl Payload<'_> {
    /// SHA-256 over the parts, each preceded by its length.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.name.as_bytes());
        part(&self.model.encode_to_vec());
        part(&self.options.encode_to_vec());
        for (key, value) in self.labels {
            part(key.as_bytes());
            part(value.as_bytes());
        }
        part(self.lane.as_bytes());
        hash.finalize().into()
    }
}

/// The id of a new job: derived from the request id, the same on every gateway, or
/// random.
pub fn job_id(request_id: &str) -> String {
    if request_id.is_empty() {
        return Uuid::new_v4().to_string();
    }
    let hash =
        Sha256::new().chain_update("solvemesh.v1 request id\0").chain_update(request_id).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    // Version 8 of RFC 9562: a vendor's own scheme.
    Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_request_id_names_one_job_everywhere() {
        assert_eq!(job_id("r-1"), job_id("r-1"));
        assert_ne!(job_id("r-1"), job_id("r-2"));
        assert_ne!(job_id(""), job_id(""));
        assert_eq!(Uuid::parse_str(&job_id("r-1")).map(|id| id.get_version_num()), Ok(8));
    }

    #[test]
    fn every_part_of_a_payload_counts() {
        let base = (
            "name",
            LinearModel::default(),
            SolveOptions::default(),
            BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            "lane",
        );
        let digest = |(name, model, options, labels, lane): &(
            &str,
            LinearModel,
            SolveOptions,
            BTreeMap<String, String>,
            &str,
        )| Payload { name, model, options, labels, lane }.digest();
        let mut others = vec![base.clone(); 5];
        others[0].0 = "other";
        others[1].1.objective_offset = 1.0;
        others[2].2.seed = Some(0);
        others[3].3.insert("a".to_owned(), "c".to_owned());
        others[4].4 = "other";
        for other in &others {
            assert_ne!(digest(&base), digest(other));
        }
        assert_eq!(digest(&base), digest(&base.clone()));
    }
}
