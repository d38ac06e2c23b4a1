//! Solvers other than HiGHS, through a whole mesh.

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

/// Public models that microlp solves quickly.
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

/// Whether a worker with a solver is connected.
async fn is_available(api: &Api, solver: Solver) -> bool {
    let response = api.clone().get_capabilities(GetCapabilitiesRequest {}).await;
    let solvers = response.expect("capabilities").into_inner().solvers;
    solvers.iter().any(|it| it.solver() == solver && it.available)
}

/// Whether the programs were built with the solver of a lane.
async fn is_built_in(lane: &str) -> bool {
    let slots = format!("{lane}=1");
    let tried = command("solvemesh-worker").args(["--slots", &slots, "--version"]).output().await;
    let built_in = tried.expect("a worker that prints its version").status.success();
    if !built_in {
        eprintln!("skipped: the programs were built without {lane}");
    }
    built_in
}

/// Waits until a solver is available, or until it is not.
async fn await_solver(api: &Api, solver: Solver, available: bool) {
    let seen = async { while is_available(api, solver).await != available {} };
    within(Duration::from_secs(30), "a worker to connect or disconnect", seen).await;
}

/// Checks that a solver ends the public models that `takes` selects, by file and by whether
/// they have integers, as published. Where no proof of a solver's own answer holds, HiGHS
/// answers instead and the result says so; that may be the case for one model in five at most.
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
async fn solvers_that_every_worker_has_end_public_models_as_published() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    agrees(&api, Solver::Clarabel, |_, integer| !integer).await;
    let small = |file: &str, _| SMALL.iter().any(|name| file.contains(name));
    agrees(&api, Solver::Microlp, small).await;
}

#[tokio::test]
async fn a_wrong_claim_of_optimality_is_corrected_by_highs() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let request = by(Solver::Clarabel, instances.model("lp/greenbea.mps"));
    let story = jobs::solve(&gateway.api(), request).await;
    assert_eq!(story.termination().reason(), TerminationReason::Optimal);
    assert_eq!(story.result().solver(), Solver::Highs);
    assert!(is_by_highs_too(&story), "{:?}", story.termination());
}

#[tokio::test]
async fn optional_solvers_of_this_build_end_public_models_as_published() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    for (solver, lane) in OWN_LANES {
        if is_built_in(lane).await {
            await_solver(&api, solver, true).await;
            agrees(&api, solver, |_, _| true).await;
        }
    }
}

#[tokio::test]
async fn auto_solves_tiny_lps_itself_and_others_by_highs_and_the_result_says_so() {
    let gateway = Gateway::embedded(&[]).await;
    for (requested, model, expected) in [
        (Solver::Auto, models::wyndor(500.0), Solver::DenseSimplex),
        (Solver::Unspecified, models::wyndor(500.0), Solver::DenseSimplex),
        (Solver::Highs, models::wyndor(500.0), Solver::Highs),
        (Solver::Auto, models::wide(200), Solver::Highs),
    ] {
        let story = jobs::solve(&gateway.api(), by(requested, model)).await;
        assert_eq!(story.result().solver(), expected, "{requested:?}");
    }
}

#[tokio::test]
async fn an_unsupported_option_is_refused_with_its_field_and_the_solver() {
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
            SolveOptions { return_infeasible_subset: true, ..of(Solver::Clarabel) },
            lp(),
            "return_infeasible_subset",
        ),
        (SolveOptions { return_log: true, ..of(Solver::Clarabel) }, lp(), "return_log"),
        (SolveOptions { absolute_gap: Some(0.1), ..of(Solver::Microlp) }, mip(), "absolute_gap"),
        (SolveOptions { node_limit: Some(5), ..of(Solver::Microlp) }, mip(), "node_limit"),
        (SolveOptions { solution_limit: Some(5), ..of(Solver::Cbc) }, mip(), "solution_limit"),
        (SolveOptions { seed: Some(5), ..of(Solver::Cbc) }, mip(), "seed"),
        (SolveOptions { threads: Some(2), ..of(Solver::Scip) }, mip(), "threads"),
    ];
    for (options, model, field) in cases {
        let name = options.solver().as_str_name();
        let refusal = jobs::refusal(&gateway.api(), with(options, model)).await;
        let message = refusal.message();
        assert!(
            message.contains(&format!("options.{field}")) && message.contains(name),
            "{message}"
        );
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
async fn jobs_for_an_optional_solver_go_to_a_worker_that_has_it() {
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
        await_solver(&api, solver, true).await;
        let story = jobs::solve(&api, by(solver, models::wyndor(500.0))).await;
        assert!(agree(story.objective(), 3600.0), "{story:?}");
        assert_eq!(story.result().solver(), solver);
        // A gateway that starts later learns of the worker from the broker.
        let other = Gateway::on(vhost.url(), &[]).await;
        assert!(is_available(&other.api(), solver).await);
        worker.kill().await;
        await_solver(&api, solver, false).await;
    }
}
