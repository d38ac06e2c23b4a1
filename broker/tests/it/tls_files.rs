//! The TLS files are checked when a mesh is opened.

use std::{fs, path::PathBuf};

use solvemesh_broker::{AmqpConfig, AmqpMesh, Identity, MeshError, TlsFiles};
use solvemesh_testkit::certificates::Authority;
use tempfile::TempDir;

const URL: &str = "amqps://alice:sesame@localhost:1/%2f";

/// A folder with `ca.pem`, `cert.pem` and `key.pem` that belong together.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
        let authority = Authority::new("a CA");
        files.write("ca.pem", authority.pem());
        authority.client("alice").write(files.0.path());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn tls(&self) -> TlsFiles {
        let identity = Identity { cert: self.path("cert.pem"), key: self.path("key.pem") };
        TlsFiles { ca: Some(self.path("ca.pem")), identity: Some(identity) }
    }

    /// The error of a mesh that is opened with these files.
    fn fault(&self) -> String {
        match open(URL, self.tls()) {
            Err(MeshError::Configuration(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

fn open(url: &str, tls: TlsFiles) -> Result<AmqpMesh, MeshError> {
    AmqpMesh::open(AmqpConfig { tls, ..AmqpConfig::new(url) })
}

#[tokio::test]
async fn valid_files_are_accepted() {
    let files = Files::new();
    open(URL, files.tls()).unwrap();
    // A bundle of CAs with comments between them.
    let ca = fs::read_to_string(files.path("ca.pem")).unwrap();
    files.write("ca.pem", format!("the first\n{ca}\nthe second\n{}", Authority::new("b").pem()));
    open(URL, files.tls()).unwrap();
}

#[tokio::test]
async fn an_unusable_file_is_reported_with_its_flag_and_path() {
    for (name, flag) in
        [("ca.pem", "--amqp-ca"), ("cert.pem", "--amqp-cert"), ("key.pem", "--amqp-key")]
    {
        let files = Files::new();
        let path = files.path(name);
        let named = |fault: &str| {
            assert!(fault.starts_with(&format!("{flag} {}", path.display())), "{fault}");
        };
        fs::remove_file(&path).unwrap();
        let fault = files.fault();
        named(&fault);
        assert!(fault.contains("No such file"), "{fault}");
        fs::create_dir(&path).unwrap();
        named(&files.fault());
        fs::remove_dir(&path).unwrap();
        for bad in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA", "\0\u{1}\u{2}"] {
            files.write(name, bad);
            named(&files.fault());
        }
        files.write(name, vec![b'x'; 5 << 20]);
        let fault = files.fault();
        named(&fault);
        assert!(fault.contains("bytes"), "{fault}");
    }
}

#[tokio::test]
async fn an_invalid_certificate_is_reported() {
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = Files::new();
    files.write("cert.pem", bad);
    let fault = files.fault();
    assert!(fault.starts_with("--amqp-cert"), "{fault}");
    let files = Files::new();
    files.write("ca.pem", [Authority::new("good").pem(), bad].concat());
    let fault = files.fault();
    assert!(fault.starts_with("--amqp-ca") && fault.contains("certificate 2"), "{fault}");
}

#[tokio::test]
async fn a_key_that_is_encrypted_or_does_not_match_is_reported() {
    let files = Files::new();
    files.write("key.pem", Authority::new("other").client("alice").key);
    let fault = files.fault();
    assert!(fault.contains("do not belong together"), "{fault}");
    assert!(fault.contains("cert.pem") && fault.contains("key.pem"), "{fault}");

    let secret = "c2VjcmV0";
    let encrypted = "ENCRYPTED PRIVATE KEY-----";
    files.write("key.pem", format!("-----BEGIN {encrypted}\n{secret}\n-----END {encrypted}\n"));
    let fault = files.fault();
    assert!(fault.contains("--amqp-key") && fault.contains("encrypted"), "{fault}");
    files.write(
        "key.pem",
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
    );
    let fault = files.fault();
    assert!(fault.starts_with("--amqp-key") && !fault.contains("secret"), "{fault}");
    // The two files swapped.
    let files = Files::new();
    let identity = Identity { cert: files.path("key.pem"), key: files.path("cert.pem") };
    let swapped = open(URL, TlsFiles { identity: Some(identity), ..files.tls() });
    let fault = swapped.unwrap_err().to_string();
    assert!(fault.starts_with("--amqp-cert"), "{fault}");
}

#[tokio::test]
async fn files_for_a_url_without_tls_are_refused() {
    let files = Files::new();
    let mixed = format!("{URL},amqp://alice:sesame@localhost:2/%2f");
    for url in ["amqp://alice:sesame@localhost:2/%2f", &mixed] {
        let refused = open(url, files.tls()).unwrap_err();
        assert!(matches!(refused, MeshError::Configuration(_)), "{refused:?}");
        let error = refused.to_string();
        assert!(
            error.contains("--amqp-ca") && error.contains("amqp://alice:***@localhost:2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_configuration_is_printed_without_passwords() {
    let config = AmqpConfig::new(&format!("{URL},amqp://u:sesame@[bad"));
    assert!(!format!("{config:?}").contains("sesame"));
    let refused = AmqpMesh::open(config).unwrap_err();
    let error = format!("{refused} {refused:?}");
    assert!(error.contains("URL 2 of 2") && !error.contains("sesame"), "{error}");
    let mesh = open(URL, Files::new().tls()).unwrap();
    assert!(!format!("{mesh:?}").contains("sesame"));
}
