//! Arrays that are sent as a file have the meaning of arrays in the request.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use proptest::{collection::vec, prelude::*};
use prost::Message;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use solvemesh::v1::{FileFormat, LinearModel, model::Form};
use solvemesh_model::{Faults, ReadModel};

use crate::properties::{config, file, normal, sound_model, wild_model};

fn linear_file(content: Vec<u8>) -> Result<ReadModel, Faults> {
    normal(file(content, FileFormat::Linear as i32))
}

/// The errors of arrays in a file, as if they were those of arrays in the request.
fn in_request(Faults(mut faults): Faults) -> Faults {
    for fault in &mut faults {
        if let Some(rest) = fault.field.strip_prefix("file") {
            fault.field = format!("linear{rest}");
        }
    }
    Faults(faults)
}

#[test]
fn plain_gzip_and_zstd_are_the_same_model() {
    let model = LinearModel {
        objective: vec![1.0, -2.5],
        variable_names: vec!["a".to_owned(), String::new()],
        constraint_upper: vec![4.0],
        row_starts: vec![0, 2],
        column_indices: vec![0, 1],
        coefficients: vec![1.0, 3.0],
        ..LinearModel::default()
    };
    let plain = model.encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&plain).unwrap();
    let zstd = compress_to_vec(&plain[..], CompressionLevel::Fastest);
    let expected = normal(Form::Linear(model));
    assert!(expected.is_ok());
    for content in [plain, gzip.finish().unwrap(), zstd] {
        assert_eq!(linear_file(content), expected);
    }
}

#[test]
fn a_message_that_begins_like_a_compressed_file_is_read() {
    // The first field is a name of 90 bytes, so the message begins with `BZh`, as bzip2 does.
    let model = LinearModel { variable_names: vec!["h".repeat(90)], ..LinearModel::default() };
    let bytes = model.encode_to_vec();
    assert!(bytes.starts_with(b"BZh"));
    assert_eq!(linear_file(bytes), normal(Form::Linear(model)));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arrays_in_a_file_are_accepted_and_rejected_as_in_a_request(
        sent in prop_oneof![sound_model(), wild_model()],
    ) {
        let bytes = sent.encode_to_vec();
        // Without a byte there is no file.
        prop_assume!(!bytes.is_empty());
        prop_assert_eq!(linear_file(bytes).map_err(in_request), normal(Form::Linear(sent)));
    }

    #[test]
    fn arbitrary_messages_are_read_or_rejected(bytes in vec(any::<u8>(), 1..100)) {
        if let Err(Faults(faults)) = linear_file(bytes) {
            prop_assert!(faults.iter().all(|fault| fault.field.starts_with("file")));
        }
    }
}
