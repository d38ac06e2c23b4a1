//! Sweeps through a mesh, compared to loops over the same scenarios: HiGHS in this process, with
//! as many threads as there are workers, and Pyomo with GLPK, if installed.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Args;
use solvemesh::v1::{
    GridAxis, JobState, Model, ParameterKind, ScenarioGrid, ScenarioParameter, ScenarioResult,
    SubmitJobRequest, Sweep, WatchResultsRequest, job_event::Kind, sweep, watch_results_response,
};
use solvemesh_model::{Limits, read};
use solvemesh_solver::WarmLp;
use solvemesh_tests::{
    mesh::{Gateway, worker},
    models::{wyndor, wyndor_optimum},
    rabbit::RabbitNode,
};

use crate::{
    peers::Peers,
    rate::Rate,
    real_sweep::{REAL_MODELS, RealSweep, worst_difference},
};

/// Arguments of `sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Solve Wyndor for this many profit rates of windows
    #[arg(long, default_value_t = 100_000)]
    scenarios: i32,

    /// Solve each real model for this many values of a right-hand side
    #[arg(long, default_value_t = 1000)]
    right_hand_sides: i32,

    /// Read real models from lp/NAME.mps in this folder
    #[arg(long, env = "SOLVEMESH_INSTANCES")]
    instances: Option<PathBuf>,

    /// Start this many worker processes
    #[arg(long, default_value_t = 2)]
    workers: usize,

    /// Repeat every measurement this many times and report the median
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

impl SweepArgs {
    /// Runs the measurements and prints the results.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let node = RabbitNode::start().await;
        let vhost = node.vhost().await;
        let gateway = Gateway::on(vhost.url(), &[]).await;
        let _workers: Vec<_> = (0..self.workers).map(|_| worker(vhost.url())).collect();
        // Warm-up: the workers start their solver processes.
        self.wyndor_by_mesh(&gateway, 1_000).await?;
        println!(
            "{} scenarios of Wyndor, {} workers, median of {}",
            self.scenarios, self.workers, self.rounds
        );
        let (mut mesh, mut warm, mut cold) = (vec![], vec![], vec![]);
        for _ in 0..self.rounds {
            warm.push(self.wyndor_by_highs(false)?);
            cold.push(self.wyndor_by_highs(true)?);
            mesh.push(self.wyndor_by_mesh(&gateway, self.scenarios).await?);
        }
        let warm = Rate::median(warm);
        warm.print("HiGHS alone, warm start, same number of threads", None);
        Rate::median(cold).print("HiGHS alone, cold start, same number of threads", Some(warm));
        let mesh = Rate::median(mesh);
        mesh.print("a sweep through the mesh, each result verified", Some(warm));
        match Peers::find().map(|peers| peers.python()) {
            Some(python) => {
                let pyomo = pyomo(&python, self.workers)?;
                pyomo.print("Pyomo and GLPK, same number of processes", Some(warm));
                println!("{:50} {:9.0} x Pyomo and GLPK", "the mesh", mesh.over(pyomo));
            }
            None => println!("Pyomo and GLPK: skipped; scripts/setup bench installs them"),
        }
        match &self.instances {
            Some(folder) => {
                for name in REAL_MODELS {
                    self.real_model(&gateway, folder, name).await?;
                }
            }
            None => println!("real models: skipped, no --instances"),
        }
        Ok(())
    }

    /// Sweeps the profit rate of Wyndor's windows through the mesh.
    async fn wyndor_by_mesh(&self, gateway: &Gateway, points: i32) -> anyhow::Result<Rate> {
        let parameter = ScenarioParameter {
            kind: ParameterKind::Objective.into(),
            variable_index: Some(1),
            ..ScenarioParameter::default()
        };
        let begin = Instant::now();
        let answers = run_sweep(gateway, wyndor(500.0), parameter, (100.0, 1000.0), points).await?;
        let time = begin.elapsed();
        for answer in &answers {
            let rate = rate(answer.index, points);
            let (found, best) = (answer.objective.unwrap_or(f64::NAN), wyndor_optimum(rate).0);
            ensure!((found - best).abs() <= 1e-9 * best, "{found} at {rate} instead of {best}");
        }
        Ok(Rate::of(answers.len(), time))
    }

    /// The same by HiGHS alone. `cold` discards the basis before each solve.
    fn wyndor_by_highs(&self, cold: bool) -> anyhow::Result<Rate> {
        let model = read(wyndor(500.0), &Limits::default())?.model.into_inner();
        let begin = Instant::now();
        let points = self.scenarios;
        in_threads(self.workers, points, |indices| {
            let mut lp = WarmLp::new(model.clone())?;
            for index in indices {
                let rate = rate(index, points);
                lp.set_cost(1, rate)?;
                if cold {
                    lp.clear_basis();
                }
                let (found, best) = (lp.solve()?, wyndor_optimum(rate).0);
                ensure!((found - best).abs() <= 1e-6 * best, "{found} at {rate}");
            }
            Ok(Vec::<()>::new())
        })?;
        Ok(Rate::of(usize::try_from(points)?, begin.elapsed()))
    }

    /// Sweeps a real model, and compares the objectives with those of cold starts.
    async fn real_model(&self, gateway: &Gateway, folder: &Path, name: &str) -> anyhow::Result<()> {
        let points = self.right_hand_sides;
        let sweep = RealSweep::load(folder, name, points)?;
        let (optima, cold) = sweep.cold(self.workers, 1)?;
        let (answers, rate) = sweep.by_mesh(gateway).await?;
        let worst = worst_difference(&optima, &answers)?;
        // No iterations: the basis of a neighbour was proven optimal for this scenario.
        let proven = answers.iter().filter(|answer| answer.iteration_count == 0).count();
        println!(
            "{name}: {points} right-hand sides of {}, {proven} proven by a neighbour, worst \
             difference {worst:.1e}",
            sweep.constraint()
        );
        cold.print("  HiGHS alone, cold start, same number of threads", None);
        rate.print("  a sweep through the mesh", Some(cold));
        Ok(())
    }
}

/// Runs a sweep along one axis and returns its results, sorted by scenario.
pub(crate) async fn run_sweep(
    gateway: &Gateway,
    model: Model,
    parameter: ScenarioParameter,
    (from, to): (f64, f64),
    points: i32,
) -> anyhow::Result<Vec<ScenarioResult>> {
    let axis = GridAxis {
        parameter: Some(parameter),
        first: Some(from),
        last: Some(to),
        point_count: points,
        values: Vec::new(),
    };
    let grid = ScenarioGrid { axes: vec![axis] };
    let sweep = Sweep { scenarios: Some(sweep::Scenarios::Grid(grid)), ..Sweep::default() };
    let request =
        SubmitJobRequest { model: Some(model), sweep: Some(sweep), ..SubmitJobRequest::default() };
    let mut api = gateway.api();
    let job = api.submit_job(request).await?.into_inner().job.unwrap_or_default();
    let request =
        WatchResultsRequest { job_ids: vec![job.job_id], ..WatchResultsRequest::default() };
    let mut events = api.watch_results(request).await?.into_inner();
    let mut answers = Vec::new();
    while let Some(response) = events.message().await? {
        let Some(watch_results_response::Kind::Event(event)) = response.kind else { continue };
        match event.kind {
            Some(Kind::ScenarioResults(batch)) => answers.extend(batch.results),
            Some(Kind::Finished(finished)) => {
                ensure!(finished.state() == JobState::Succeeded, "{finished:?}");
            }
            _ => {}
        }
    }
    ensure!(answers.len() == usize::try_from(points)?, "{} answers", answers.len());
    answers.sort_unstable_by_key(|answer| answer.index);
    Ok(answers)
}

/// Splits the scenarios into one contiguous range per thread, and returns the results in order.
pub(crate) fn in_threads<T: Send>(
    threads: usize,
    scenarios: i32,
    work: impl Fn(std::ops::Range<i32>) -> anyhow::Result<Vec<T>> + Sync,
) -> anyhow::Result<Vec<T>> {
    let work = &work;
    let share = scenarios / i32::try_from(threads)? + 1;
    thread::scope(|scope| {
        let spawn = |first: i32| {
            scope.spawn(move || work(first.min(scenarios)..(first + share).min(scenarios)))
        };
        let threads: Vec<_> =
            (0..i32::try_from(threads)?).map(|thread| spawn(thread * share)).collect();
        let mut found = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(results) => found.extend(results?),
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(found)
    })
}

/// Measures a stack of Pyomo and GLPK, which builds a model and starts a GLPK process for each
/// scenario, in this number of parallel processes.
fn pyomo(python: &Path, processes: usize) -> anyhow::Result<Rate> {
    const SCENARIOS: usize = 100;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/pyomo_loop.py");
    let mut command = Command::new(python);
    command.args([script, &SCENARIOS.to_string()]);
    let running: Vec<_> = (0..processes)
        .map(|_| command.stdout(std::process::Stdio::piped()).spawn())
        .collect::<Result<_, _>>()
        .with_context(|| python.display().to_string())?;
    let mut rate = 0.0;
    for process in running {
        let output = process.wait_with_output()?;
        ensure!(output.status.success(), "{script} ended with {}", output.status);
        let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        rate += SCENARIOS as f64 / seconds;
    }
    Ok(Rate::of(1, Duration::from_secs_f64(1.0 / rate)))
}

/// The profit rate of windows in a scenario of Wyndor.
fn rate(index: i32, points: i32) -> f64 {
    at(index, points, 100.0, 1000.0)
}

/// Value `index` of `points` evenly spaced values, by the formula of sweeps (docs/sweeps.md).
pub(crate) fn at(index: i32, points: i32, from: f64, to: f64) -> f64 {
    let share = f64::from(index) / f64::from(points - 1);
    from * (1.0 - share) + to * share
}
