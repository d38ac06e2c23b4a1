use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::v1::{LinearModel, SolveOptions, Sweep};
use uuid::{Builder, Uuid};

/// What makes two submissions the same.
#[derive(Clone, Copy)]
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
    /// The spans that were asked for: until the job is given up, and until it is given
    /// up in its queue.
    pub(super) spans: [Option<prost_types::Duration>; 2],
    /// The scenarios of a sweep, in normal form.
    pub(super) sweep: Option<&'a Sweep>,
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
        for span in self.spans {
            part(&span.map(|span| span.encode_to_vec()).unwrap_or_default());
        }
        // No part at all of other jobs, whose digests are older than sweeps.
        if let Some(sweep) = self.sweep {
            part(&sweep.encode_to_vec());
        }
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

    use solvemesh::v1::StopOnFirst;

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
        let (model, options) = (LinearModel::default(), SolveOptions::default());
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let base = Payload {
            name: "name",
            model: &model,
            options: &options,
            labels: &labels,
            lane: "lane",
            spans: [None, None],
            sweep: None,
        };
        let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let other_model = LinearModel { objective_offset: 1.0, ..LinearModel::default() };
        let other_options = SolveOptions { seed: Some(0), ..SolveOptions::default() };
        let other_labels = BTreeMap::from([("a".to_owned(), "c".to_owned())]);
        let sweeps = [None, Some(StopOnFirst::default())]
            .map(|stop_on_first| Sweep { stop_on_first, ..Sweep::default() });
        let others = [
            Payload { sweep: Some(&sweeps[0]), ..base },
            Payload { sweep: Some(&sweeps[1]), ..base },
            Payload { name: "other", ..base },
            Payload { model: &other_model, ..base },
            Payload { options: &other_options, ..base },
            Payload { labels: &other_labels, ..base },
            Payload { lane: "other", ..base },
            Payload { spans: [second, None], ..base },
            Payload { spans: [None, second], ..base },
        ];
        let mut digests: Vec<_> = others.iter().chain([&base]).map(Payload::digest).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 10);
        assert_eq!(base.digest(), Payload { ..base }.digest());
    }
}
