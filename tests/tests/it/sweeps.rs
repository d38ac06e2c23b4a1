//! Sweeps through a mesh: each scenario is answered once and correctly, also when workers die.

use std::collections::BTreeMap;

use solvemesh::v1::{
    CancelJobRequest, GetJobRequest, GridAxis, JobFinished, JobState, LinearModel, Model,
    ParameterKind, ScenarioGrid, ScenarioParameter, ScenarioReport, ScenarioResult, ScenarioTable,
    SolveOptions, SolveRequest, StopOnFirst, SubmitJobRequest, Sweep, TerminationReason as Reason,
    job_event::Kind, model::Form, sweep,
};
use solvemesh_model::{
    Limits, read,
    sweep::{Patched, normalise_sweep},
};
use solvemesh_tests::{
    instances::Instances,
    jobs::{self, Watch},
    mesh::{Api, Gateway, worker},
    models::{wyndor, wyndor_named, wyndor_optimum},
    rabbit,
};

fn of_variable(kind: ParameterKind, variable: &str) -> ScenarioParameter {
    ScenarioParameter {
        kind: kind.into(),
        variable: variable.to_owned(),
        ..ScenarioParameter::default()
    }
}

fn of_constraint(kind: ParameterKind, constraint: &str) -> ScenarioParameter {
    ScenarioParameter {
        kind: kind.into(),
        constraint: constraint.to_owned(),
        ..ScenarioParameter::default()
    }
}

fn axis(parameter: ScenarioParameter, from: f64, to: f64, points: i32) -> GridAxis {
    GridAxis {
        parameter: Some(parameter),
        first: Some(from),
        last: Some(to),
        point_count: points,
        ..GridAxis::default()
    }
}

fn grid(axes: Vec<GridAxis>) -> Sweep {
    let grid = ScenarioGrid { axes };
    Sweep { scenarios: Some(sweep::Scenarios::Grid(grid)), ..Sweep::default() }
}

/// Profit rates of windows from 100 to 1000.
fn rates(points: i32) -> Sweep {
    grid(vec![axis(of_variable(ParameterKind::Objective, "Windows"), 100.0, 1000.0, points)])
}

fn rate(index: i32, points: i32) -> f64 {
    let share = f64::from(index) / f64::from(points - 1);
    100.0 * (1.0 - share) + 1000.0 * share
}

async fn submit(api: &Api, model: Model, sweep: Sweep) -> String {
    let request =
        SubmitJobRequest { model: Some(model), sweep: Some(sweep), ..SubmitJobRequest::default() };
    jobs::submit(api, request).await
}

/// What a watcher has received of a sweep.
#[derive(Debug, Default)]
struct Received {
    answers: BTreeMap<i32, ScenarioResult>,
    finished: Option<JobFinished>,
    token: String,
}

impl Received {
    /// Resumes the watch, until its end or until `most` scenarios are answered.
    ///
    /// # Panics
    ///
    /// If a scenario is answered twice.
    async fn watch(&mut self, api: &Api, job: &str, most: usize) {
        let mut watch = Watch::resume(api, job, &self.token).await;
        while self.answers.len() < most
            && let Some(event) = watch.next().await
        {
            match event.kind {
                Some(Kind::ScenarioResults(received)) => {
                    for answer in received.results {
                        let index = answer.index;
                        let before = self.answers.insert(index, answer);
                        assert!(before.is_none(), "the scenario {index} is answered twice");
                    }
                }
                Some(Kind::Finished(finished)) => self.finished = Some(*finished),
                _ => {}
            }
        }
        if let Some((_, token)) = watch.seen.pop() {
            self.token = token;
        }
    }

    async fn all(api: &Api, job: &str) -> Self {
        let mut received = Self::default();
        received.watch(api, job, usize::MAX).await;
        received
    }

    fn finished(&self) -> &JobFinished {
        self.finished.as_ref().expect("an end")
    }

    fn objective(&self, index: i32) -> f64 {
        let answer = &self.answers[&index];
        assert_eq!(answer.reason(), Reason::Optimal, "{answer:?}");
        answer.objective.expect("an objective")
    }
}

/// Checks that every profit rate has its known answer, and that the summary is right.
fn are_rates(received: &Received, points: i32) {
    assert_eq!(received.answers.len(), usize::try_from(points).expect("a count"));
    for index in 0..points {
        let (found, best) = (received.objective(index), wyndor_optimum(rate(index, points)).0);
        assert!((found - best).abs() <= 1e-9 * best, "{index}: {found} instead of {best}");
    }
    let finished = received.finished();
    assert_eq!(finished.state(), JobState::Succeeded, "{finished:?}");
    let summary = finished.sweep_summary.as_ref().expect("a summary");
    assert_eq!((summary.scenario_count, summary.answered_count), (points, points));
    let counts: Vec<_> = summary.counts.iter().map(|it| (it.reason(), it.count)).collect();
    assert_eq!(counts, [(Reason::Optimal, points)]);
    assert_eq!(summary.best.as_ref().map(|best| best.index), Some(points - 1));
    assert_eq!(summary.worst.as_ref().map(|worst| worst.index), Some(0));
}

fn is_close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs().max(1.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_profit_rates_are_answered_through_a_broker() {
    const POINTS: i32 = 100_000;
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    let job = submit(&gateway.api(), wyndor_named(500.0), rates(POINTS)).await;
    let received = Received::all(&gateway.api(), &job).await;
    are_rates(&received, POINTS);

    // A watcher that starts late, and at another gateway, receives the same.
    let other = Gateway::on(vhost.url(), &[]).await;
    let mut late = Received::default();
    late.watch(&other.api(), &job, 1).await;
    assert!(late.finished.is_none(), "not all of it in one event");
    late.watch(&gateway.api(), &job, usize::MAX).await;
    are_rates(&late, POINTS);
    assert_eq!(late.answers, received.answers);
    let request = GetJobRequest { job_id: job, ..GetJobRequest::default() };
    let job = other.api().get_job(request).await.expect("a job").into_inner().job;
    assert_eq!(job.and_then(|job| job.sweep_summary), received.finished().sweep_summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_during_a_sweep_cost_no_answer() {
    // Slow enough to kill workers in the middle of it: most scenarios need the simplex.
    const POINTS: i32 = 200;
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let mut workers = [worker(vhost.url()), worker(vhost.url())];
    let walls = of_constraint(ParameterKind::RightHandSide, "plant3");
    let doors = of_variable(ParameterKind::Objective, "Doors");
    let sweep = grid(vec![
        axis(of_variable(ParameterKind::Objective, "Windows"), 100.0, 1000.0, POINTS),
        axis(doors, -100.0, 500.0, POINTS),
        axis(walls, 10.0, 30.0, 5),
    ]);
    let job = submit(&gateway.api(), wyndor_named(500.0), sweep).await;
    let total = usize::try_from(POINTS * POINTS * 5).expect("a count");
    let mut received = Received::default();
    for (killed, worker_of) in [0, 1, 0].into_iter().enumerate() {
        received.watch(&gateway.api(), &job, (killed + 1) * total / 20).await;
        if received.finished.is_none() {
            workers[worker_of].kill().await;
            workers[worker_of] = worker(vhost.url());
        }
    }
    assert!(received.finished.is_none(), "over before a worker was killed");
    received.watch(&gateway.api(), &job, usize::MAX).await;
    assert_eq!(received.answers.len(), total);
    assert_eq!(received.finished().state(), JobState::Succeeded);
    assert!(received.answers.values().all(|answer| answer.reason() == Reason::Optimal));
    // The optimum in closed form: the best corner.
    for (index, answer) in &received.answers {
        let (windows, rest) = (index / (POINTS * 5), index % (POINTS * 5));
        let at = |place: i32, points: i32, from: f64, to: f64| {
            let share = f64::from(place) / f64::from(points - 1);
            from * (1.0 - share) + to * share
        };
        let rate = at(windows, POINTS, 100.0, 1000.0);
        let doors = at(rest / 5, POINTS, -100.0, 500.0);
        let side = at(rest % 5, 5, 10.0, 30.0);
        let most_doors = (side / 3.0).min(4.0);
        let most_windows = (side / 2.0).min(6.0);
        let corners = [
            (0.0, 0.0),
            (most_doors, 0.0),
            (0.0, most_windows),
            (most_doors, ((side - 3.0 * most_doors) / 2.0).min(6.0)),
            (((side - 2.0 * most_windows) / 3.0).min(4.0), most_windows),
        ];
        let best = corners.map(|(d, w)| doors * d + rate * w).into_iter().fold(f64::MIN, f64::max);
        let found = answer.objective.expect("an objective");
        assert!(is_close(found, best, 1e-6), "{index}: {found} instead of {best}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_hand_sides_of_a_real_model_agree_with_single_jobs() {
    const POINTS: i32 = 1000;
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    for (name, row) in [("25fv47", "RH106"), ("pilot4", "BSVC04")] {
        let model = instances.model(&format!("lp/{name}.mps"));
        let arrays = read(model.clone(), &Limits::default()).expect("a model").model;
        let at = arrays.constraint_names.iter().position(|it| it == row).expect("a constraint");
        let (lower, upper) = (arrays.constraint_lower[at], arrays.constraint_upper[at]);
        let base = if lower.is_finite() { lower } else { upper };
        let (from, to) = (base - 0.01 * base.abs(), base + 0.01 * base.abs());
        let side = of_constraint(ParameterKind::RightHandSide, row);
        let sweep = grid(vec![axis(side, from, to, POINTS)]);
        let job = submit(&gateway.api(), model.clone(), sweep.clone()).await;
        let received = Received::all(&gateway.api(), &job).await;
        assert_eq!(received.answers.len(), 1000, "{name}");
        let scenarios = normalise_sweep(&sweep, &arrays, 1000).expect("a sweep");
        let mut patched = Patched::new(arrays.into_inner(), &scenarios);
        for index in (0..POINTS).step_by(111) {
            patched.apply_scenario(&scenarios, usize::try_from(index).expect("an index"));
            let single = single(&gateway.api(), patched.model().clone()).await;
            let found = received.objective(index);
            assert!(is_close(found, single, 1e-6), "{name} {index}: {found}, not {single}");
        }
    }
}

/// The objective of one scenario as a job of its own.
async fn single(api: &Api, arrays: LinearModel) -> f64 {
    let form = Some(Form::Linear(arrays));
    let model = Model { form, ..Model::default() };
    let options = SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() };
    let request =
        SolveRequest { model: Some(model), options: Some(options), ..SolveRequest::default() };
    let job = api.clone().solve(request).await.expect("an answer").into_inner().job;
    let result = job.and_then(|job| job.result).expect("a result");
    result.termination.and_then(|termination| termination.objective).expect("an objective")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn capacities_of_a_mip_agree_with_single_jobs() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let model = instances.model("mip/p0201.mps");
    let arrays = read(model.clone(), &Limits::default()).expect("a model").model;
    let finite = |at: &usize| arrays.constraint_upper[*at].is_finite();
    let rows: Vec<usize> = (0..arrays.constraint_upper.len()).filter(finite).take(2).collect();
    let axes = rows.iter().zip([4, 2]).map(|(&row, points)| {
        let upper = arrays.constraint_upper[row];
        let index = i32::try_from(row).expect("an index");
        let parameter = ScenarioParameter {
            kind: ParameterKind::ConstraintUpper.into(),
            constraint_index: Some(index),
            ..ScenarioParameter::default()
        };
        axis(parameter, upper - 2.0, upper + 1.0, points)
    });
    let sweep = grid(axes.collect());
    let request = SubmitJobRequest {
        model: Some(model),
        sweep: Some(sweep.clone()),
        options: Some(SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() }),
        ..SubmitJobRequest::default()
    };
    let job = jobs::submit(&gateway.api(), request).await;
    let received = Received::all(&gateway.api(), &job).await;
    let scenarios = normalise_sweep(&sweep, &arrays, 1000).expect("a sweep");
    let mut patched = Patched::new(arrays.into_inner(), &scenarios);
    for index in 0..8 {
        patched.apply_scenario(&scenarios, usize::try_from(index).expect("an index"));
        let single = single(&gateway.api(), patched.model().clone()).await;
        let found = received.objective(index);
        assert!(is_close(found, single, 1e-6), "{index}: {found} instead of {single}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scenarios_report_the_requested_values_and_fail_alone() {
    let gateway = Gateway::embedded(&[]).await;
    let table = ScenarioTable {
        parameters: vec![
            of_variable(ParameterKind::VariableLower, "Doors"),
            of_variable(ParameterKind::VariableUpper, "Doors"),
        ],
        values: vec![0.0, 4.0, 3.0, 2.0, 5.0, 9.0, 0.0, 1.0],
        labels: ["base", "crossed", "too many", "few"].map(str::to_owned).to_vec(),
        ..ScenarioTable::default()
    };
    let sweep = Sweep {
        scenarios: Some(sweep::Scenarios::Table(table)),
        report: Some(ScenarioReport {
            variables: vec!["Windows".to_owned(), "Doors".to_owned()],
            all_constraints: true,
            ..ScenarioReport::default()
        }),
        ..Sweep::default()
    };
    let job = submit(&gateway.api(), wyndor(500.0), sweep).await;
    let received = Received::all(&gateway.api(), &job).await;
    let short: Vec<_> = received
        .answers
        .values()
        .map(|answer| (answer.label.as_str(), answer.reason(), answer.values.clone()))
        .collect();
    let expected = [
        ("base", Reason::Optimal, vec![6.0, 2.0]),
        ("crossed", Reason::Infeasible, vec![]),
        ("too many", Reason::Infeasible, vec![]),
        ("few", Reason::Optimal, vec![6.0, 1.0]),
    ];
    assert_eq!(short, expected);
    assert_eq!(received.answers[&0].duals, [0.0, 150.0, 100.0]);
    assert_eq!(received.finished().state(), JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_ends_at_its_target_or_when_it_is_cancelled() {
    let gateway = Gateway::embedded(&[]).await;
    let stop_on_first = Some(StopOnFirst { objective_target: Some(3600.0) });
    let sweep = Sweep { stop_on_first, ..rates(150_000) };
    let job = submit(&gateway.api(), wyndor_named(500.0), sweep).await;
    let received = Received::all(&gateway.api(), &job).await;
    let summary = received.finished().sweep_summary.clone().expect("a summary");
    assert_eq!(received.finished().state(), JobState::Succeeded);
    let by = summary.stopped_by.expect("a scenario that stopped it");
    assert!(received.objective(by) >= 3600.0);

    let doors = axis(of_variable(ParameterKind::Objective, "Doors"), -100.0, 500.0, 400);
    let windows = axis(of_variable(ParameterKind::Objective, "Windows"), -100.0, 500.0, 400);
    let job = submit(&gateway.api(), wyndor_named(500.0), grid(vec![doors, windows])).await;
    let mut received = Received::default();
    received.watch(&gateway.api(), &job, 1).await;
    let request = CancelJobRequest { job_id: job.clone() };
    gateway.api().cancel_job(request).await.expect("a cancel");
    received.watch(&gateway.api(), &job, usize::MAX).await;
    let finished = received.finished();
    let answered = finished.sweep_summary.as_ref().map(|summary| summary.answered_count);
    assert_eq!(answered, i32::try_from(received.answers.len()).ok());
    // The sweep may have finished before the cancel.
    let whole = received.answers.len() == 160_000;
    let state = if whole { JobState::Succeeded } else { JobState::Cancelled };
    assert_eq!(finished.state(), state);
}
