//! The mesh in memory does what any mesh does, within its bounds.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod behaviour;

use behaviour::{entries, entry, job, lane, tests_of};
use bytes::Bytes;
use solvemesh_broker::{LogStart, MemoryConfig, MemoryMesh, Mesh, MeshError};

tests_of!(async { MemoryMesh::new(MemoryConfig::default()) });

#[tokio::test]
async fn a_full_lane_says_so() {
    let mesh = MemoryMesh::new(MemoryConfig { queue_length: 1, ..MemoryConfig::default() });
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    assert_eq!(mesh.enqueue(&lane(), &job("b")).await, Err(MeshError::Full(lane())));
}

#[tokio::test]
async fn the_oldest_is_forgotten_first() {
    let mesh =
        MemoryMesh::new(MemoryConfig { log_bytes: 10, bulk_bytes: 10, ..MemoryConfig::default() });
    for id in ["first", "second"] {
        mesh.append(entry(id)).await.unwrap();
    }
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["second"]);

    let parts = vec![Bytes::from_static(b"123456")];
    let first = mesh.store(parts.clone()).await.unwrap();
    let second = mesh.store(parts.clone()).await.unwrap();
    assert!(matches!(mesh.load(&first).await, Err(MeshError::Gone(_))));
    assert_eq!(mesh.load(&second).await, Ok(parts));
}
