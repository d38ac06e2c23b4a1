//! Solvers beside HiGHS, through a whole mesh.

use solvemesh::v1::{
    GetCapabilitiesRequest, Model, SolveOptions, Solver, SubmitJobRequest, TerminationReason,
};
use solvemesh_tests::{
    instances::{Expected, Instances},
    jobs::{self, Story, agree},
    mesh::{Api, Gateway},
    models,
    processes::{Process, command},
    rabbit, within,
};
use std::time::Duration;
use tonic::Code;
use tonic_types::StatusExt;

/// Public models that microlp finishes at once.
const SMALL: [&str; 11] = [
    "afiro.mps",
    "adlittle",
    "blend",
    "kb2",
    "recipe",
    "stocfor1",
    "vtpbase",
    "galenet",
    "itest2",
    "small_mip",
    "p0033",
];

/// Solvers that not every worker has, with their lanes.
const OWN_LANES: [(Solver, &str); 2] = [(Solver::Scip, "scip"), (Solver::Cbc, "cbc")];

fn by(solver: Solver, model: Model) -> SubmitJobRequest {
    with(SolveOptions { solver: solver.into(), ..SolveOptions::default() }, model)
}

fn with(options: SolveOptions, model: Model) -> SubmitJobRequest {
    SubmitJobRequest { options: Some(options), ..jobs::request(model) }
}

/// Whether a worker is connected that has a solver.
async fn is_available(api: &Api, solver: Solver) -> bool {
    let response = api.clone().get_capabilities(GetCapabilitiesRequest {}).await;
    let solvers = response.expect("capabilities").into_inner().solvers;
    solvers.iter().any(|told| told.solver() == solver && told.available)
}

/// Whether the programs were built with the solver of a lane.
async fn is_built_in(lane: &str) -> bool {
    let slots = format!("{lane}=1");
    let tried = command("solvemesh-worker").args(["--slots", &slots, "--version"]).output().await;
    let built_in = tried.expect("a worker that tells its version").status.success();
    if !built_in {
        eprintln!("skipped: the programs were built without {lane}");
    }
    built_in
}

/// Waits until a worker with a solver is there, or is not.
async fn until(api: &Api, solver: Solver, available: bool) {
    let seen = async { while is_available(api, solver).await != available {} };
    within(Duration::from_secs(30), "a worker to come or go", seen).await;
}

/// Has the public models that `takes` selects by file and integers solved as published.
/// Where no proof of a solver's own answer holds, HiGHS answers instead and the result
/// says so; that may be the case for one model in five at most.
async fn agrees(api: &Api, solver: Solver, takes: impl Fn(&str, bool) -> bool) {
    let Some(instances) = Instances::find() else { return };
    let index = instances.index();
    let (mut solved, mut by_highs) = (0, 0);
    for instance in index.iter().filter(|of| of.finishes && takes(&of.file, of.integer)) {
        let story = jobs::solve(api, by(solver, instances.model(&instance.file))).await;
        let seen = format!("{} by {solver:?}: {:?}", instance.file, story.termination());
        solved += 1;
        if story.result().solver() != solver {
            assert_eq!(story.result().solver(), Solver::Highs, "{seen}");
            assert!(is_by_highs_too(&story), "{seen}");
            by_highs += 1;
        }
        let reason = story.termination().reason();
        match instance.expected {
            Expected::Infeasible => assert_eq!(reason, TerminationReason::Infeasible, "{seen}"),
            Expected::Optimal(optimum) => {
                assert_eq!(reason, TerminationReason::Optimal, "{seen}");
                assert!(agree(story.objective(), optimum), "{seen}");
            }
        }
    }
    assert!(solved > 0 && by_highs * 5 <= solved, "{by_highs} of {solved} by HiGHS");
}

/// Whether a result says that HiGHS answered in place of the solver that was asked for.
fn is_by_highs_too(story: &Story) -> bool {
    story.termination().warnings.iter().any(|warning| warning.starts_with("solved by HiGHS too"))
}

#[tokio::test]
async fn every_solver_of_every_worker_ends_public_models_as_published() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    agrees(&api, Solver::Clarabel, |_, integer| !integer).await;
    let small = |file: &str, _| SMALL.iter().any(|name| file.contains(name));
    agrees(&api, Solver::Microlp, small).await;
}

#[tokio::test]
async fn an_optimum_that_a_solver_claims_and_does_not_have_is_found_by_highs() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let request = by(Solver::Clarabel, instances.model("lp/greenbea.mps"));
    let story = jobs::solve(&gateway.api(), request).await;
    assert_eq!(story.termination().reason(), TerminationReason::Optimal);
    assert_eq!(story.result().solver(), Solver::Highs);
    assert!(is_by_highs_too(&story), "{:?}", story.termination());
}

#[tokio::test]
async fn every_solver_that_this_build_has_more_ends_public_models_as_published() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    for (solver, lane) in OWN_LANES {
        if is_built_in(lane).await {
            until(&api, solver, true).await;
            agrees(&api, solver, |_, _| true).await;
        }
    }
}

#[tokio::test]
async fn auto_is_highs_and_the_result_says_so() {
    let gateway = Gateway::embedded(&[]).await;
    let story = jobs::solve(&gateway.api(), by(Solver::Auto, models::wyndor(500.0))).await;
    assert_eq!(story.result().solver(), Solver::Highs);
}

#[tokio::test]
async fn what_a_solver_can_not_do_is_refused_by_field_and_solver() {
    let gateway = Gateway::embedded(&[]).await;
    let integer = "Maximize\n x\nSubject To\n c: x <= 3.5\nGeneral\n x\nEnd";
    let lp = || models::wyndor(500.0);
    let mip = || models::lp(integer);
    let of = |solver: Solver| SolveOptions { solver: solver.into(), ..SolveOptions::default() };
    let cases = [
        (of(Solver::Clarabel), mip(), "solver"),
        (SolveOptions { relative_gap: Some(0.1), ..of(Solver::Clarabel) }, lp(), "relative_gap"),
        (SolveOptions { return_basis: true, ..of(Solver::Clarabel) }, lp(), "return_basis"),
        (
            SolveOptions { infeasible_subset: true, ..of(Solver::Clarabel) },
            lp(),
            "infeasible_subset",
        ),
        (SolveOptions { log: true, ..of(Solver::Clarabel) }, lp(), "log"),
        (SolveOptions { absolute_gap: Some(0.1), ..of(Solver::Microlp) }, mip(), "absolute_gap"),
        (SolveOptions { node_limit: Some(5), ..of(Solver::Microlp) }, mip(), "node_limit"),
        (SolveOptions { solution_limit: Some(5), ..of(Solver::Cbc) }, mip(), "solution_limit"),
        (SolveOptions { seed: Some(5), ..of(Solver::Cbc) }, mip(), "seed"),
        (SolveOptions { threads: Some(2), ..of(Solver::Scip) }, mip(), "threads"),
    ];
    for (options, model, field) in cases {
        let name = options.solver().as_str_name();
        let refusal = jobs::refusal(&gateway.api(), with(options, model)).await;
        let told = refusal.message();
        assert!(told.contains(&format!("options.{field}")) && told.contains(name), "{told}");
    }
}

#[tokio::test]
async fn a_solver_that_no_worker_has_is_refused_before_anything_is_queued() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    for (solver, _) in OWN_LANES {
        assert!(!is_available(&api, solver).await);
        let refused = api.clone().submit_job(by(solver, models::wyndor(500.0))).await;
        let refused = refused.expect_err("a refusal");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        let reason = refused.get_error_details().error_info().map(|info| info.reason.clone());
        assert_eq!(reason.as_deref(), Some("NO_WORKER"));
    }
}

#[tokio::test]
async fn a_worker_that_has_a_solver_of_its_own_gets_the_jobs_for_it() {
    for (solver, lane) in OWN_LANES {
        if !is_built_in(lane).await {
            continue;
        }
        let vhost = rabbit::vhost().await;
        let gateway = Gateway::on(vhost.url(), &[]).await;
        let api = gateway.api();
        let slots = format!("{lane}=1");
        let flags = ["--amqp", vhost.url(), "--slots", &slots];
        let (mut worker, _) = Process::start("solvemesh-worker", &flags);
        until(&api, solver, true).await;
        let story = jobs::solve(&api, by(solver, models::wyndor(500.0))).await;
        assert!(agree(story.objective(), 3600.0), "{story:?}");
        assert_eq!(story.result().solver(), solver);
        // Another gateway learns of the worker by itself.
        let other = Gateway::on(vhost.url(), &[]).await;
        assert!(is_available(&other.api(), solver).await);
        worker.kill().await;
        until(&api, solver, false).await;
    }
}
