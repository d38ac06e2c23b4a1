//! The mesh in memory: the behaviour of every mesh, and its own bounds.

use crate::behaviour::{entries, entry, job, lane, tests_of};
use bytes::Bytes;
use solvemesh::broker::v1::{BulkReference, JobEnvelope, job_envelope};
use solvemesh_broker::{BulkObject, LogStart, MemoryConfig, MemoryMesh, Mesh, MeshError};

tests_of!(async { MemoryMesh::new(MemoryConfig::default()) });

#[tokio::test]
async fn a_full_lane_refuses_jobs() {
    let mesh = MemoryMesh::new(MemoryConfig { queue_length: 1, ..MemoryConfig::default() });
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    assert_eq!(mesh.enqueue(&lane(), &job("b")).await, Err(MeshError::Full(lane())));
}

#[tokio::test]
async fn the_oldest_entries_and_objects_are_dropped_first() {
    let mesh =
        MemoryMesh::new(MemoryConfig { log_bytes: 10, bulk_bytes: 10, ..MemoryConfig::default() });
    for id in ["first", "second"] {
        mesh.append(entry(id)).await.unwrap();
    }
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["second"]);
    assert_eq!(mesh.log_start().await, Ok(Some(1)));
    assert!(matches!(mesh.read_log(0).await, Err(MeshError::Gone(_))));

    let parts = vec![Bytes::from_static(b"123456")];
    let first = mesh.store(BulkObject::new(parts.clone())).await.unwrap();
    let second = mesh.store(BulkObject::new(parts.clone())).await.unwrap();
    assert!(matches!(mesh.load(&first).await, Err(MeshError::Gone(_))));
    assert_eq!(mesh.load(&second).await, Ok(parts));
}

/// A job whose model was stored, and the reference to it.
async fn job_by_reference(mesh: &MemoryMesh, id: &str) -> (JobEnvelope, BulkReference) {
    let model = mesh.store(BulkObject::new(vec![Bytes::from_static(b"1234")])).await.unwrap();
    let body = Some(job_envelope::Body::PayloadReference(model.clone()));
    (JobEnvelope { body, ..job(id) }, model)
}

#[tokio::test]
async fn the_model_of_a_job_is_kept_until_the_job_is_acked() {
    let mesh = MemoryMesh::new(MemoryConfig { bulk_bytes: 10, ..MemoryConfig::default() });
    let (job, model) = job_by_reference(&mesh, "a").await;
    mesh.enqueue(&lane(), &job).await.unwrap();
    let other = job_by_reference(&mesh, "b").await.0;
    assert!(matches!(mesh.enqueue(&lane(), &other).await, Err(MeshError::Blocked(_))));

    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    jobs.next().await.unwrap().lease.requeue().await.unwrap();
    let again = jobs.next().await.unwrap();
    mesh.enqueue(&lane(), &job).await.unwrap();
    again.lease.ack().await.unwrap();
    for _ in 0..3 {
        mesh.store(BulkObject::new(vec![Bytes::from_static(b"solved")])).await.unwrap();
    }
    assert!(mesh.load(&model).await.is_ok(), "the job is queued once more");
    jobs.next().await.unwrap().lease.ack().await.unwrap();
    assert!(matches!(mesh.load(&model).await, Err(MeshError::Gone(_))));
}

#[tokio::test]
async fn the_model_of_a_dead_letter_is_kept_until_it_is_acked() {
    let mesh = MemoryMesh::new(MemoryConfig::default());
    let (job, model) = job_by_reference(&mesh, "a").await;
    mesh.enqueue(&lane(), &job).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    jobs.next().await.unwrap().lease.reject().await.unwrap();
    let mut dead = mesh.dead_letters().await.unwrap();
    let letter = dead.next().await.unwrap();
    assert!(mesh.load(&model).await.is_ok());
    letter.lease.ack().await.unwrap();
    assert!(matches!(mesh.load(&model).await, Err(MeshError::Gone(_))));
}
