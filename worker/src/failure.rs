//! Failures of jobs, as the public API reports them.

use solvemesh::v1::Failure;

/// A failure with one of the reasons of [`solvemesh::failure_reason`].
pub(crate) fn failure(reason: &str, message: impl Into<String>) -> Failure {
    Failure { reason: reason.to_owned(), message: message.into() }
}
