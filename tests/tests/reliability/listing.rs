use solvemesh::v1::{Job, ListJobsRequest};
use solvemesh_tests::mesh::Api;

/// Lists all jobs of a gateway, page by page.
pub(crate) async fn all(api: &Api) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListJobsRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = api.clone().list_jobs(request).await.expect("a page").into_inner();
        jobs.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return jobs;
        }
    }
}
