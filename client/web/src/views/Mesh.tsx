// The view of the mesh: its solvers, lanes and limits, as a gateway tells them.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import type {
  GetCapabilitiesResponse,
  Limits,
  SolverCapabilities,
} from "../../gen/solvemesh/v1/job_service_pb";
import { SolverOptionType } from "../../gen/solvemesh/v1/job_service_pb";
import { VariableKind } from "../../gen/solvemesh/v1/model_pb";
import { Solver } from "../../gen/solvemesh/v1/options_pb";
import { client, gatewayAddress } from "../api";
import { count, counted, duration } from "../format";
import { Chip } from "../parts/Chip";
import { Stale } from "../parts/Stale";
import { type Problem, problemOf } from "../problem";
import { secondsOf } from "../time";
import "./mesh.css";

/** Time between two requests, in milliseconds: a worker may bring a solver at any time. */
const INTERVAL = 5000;

export function Mesh() {
  const { mesh, problem, updated } = useCapabilities();
  return (
    <div class="mesh">
      <header class="mesh-head">
        <h1>Mesh</h1>
        {mesh && (
          <p class="mesh-minor">
            gateway {mesh.version} at <span class="mono">{new URL(gatewayAddress()).host}</span>
          </p>
        )}
      </header>
      {problem && <Stale problem={problem} updated={updated} />}
      {mesh?.ephemeral && (
        <p class="notice notice-warn">
          <strong>Jobs end with this process.</strong>
          <span>
            The gateway runs without a broker and solves jobs itself. When it ends, its jobs and
            their results are lost. With <code>--amqp</code> they are kept.
          </span>
        </p>
      )}
      {mesh ? <Capabilities mesh={mesh} /> : !problem && <p class="empty">Asking the gateway…</p>}
    </div>
  );
}

function Capabilities({ mesh }: { mesh: GetCapabilitiesResponse }) {
  return (
    <>
      <section class="mesh-section">
        <h2>Solvers</h2>
        <div class="card mesh-solvers">
          {mesh.solvers.map((solver) => (
            <SolverRow key={solver.solver} capabilities={solver} />
          ))}
        </div>
      </section>
      <div class="mesh-columns">
        <section class="mesh-section">
          <h2>Lanes</h2>
          <div class="card mesh-card">
            <ul class="mesh-lanes">
              {mesh.lanes.map(({ name }) => (
                <li key={name}>
                  <strong>{name}</strong>
                  <span class="mesh-minor">{laneHint(name, mesh.solvers)}</span>
                </li>
              ))}
            </ul>
          </div>
        </section>
        {mesh.limits && (
          <section class="mesh-section">
            <h2>Limits</h2>
            <div class="card mesh-card">
              <LimitList limits={mesh.limits} />
            </div>
          </section>
        )}
      </div>
    </>
  );
}

function SolverRow({ capabilities }: { capabilities: SolverCapabilities }) {
  const { available, lane, options, supportedOptions, variableKinds } = capabilities;
  const name = solverName(capabilities.solver);
  return (
    <article class="mesh-solver">
      <div class="mesh-solver-name">
        <h3>{name}</h3>
        <Chip tone={available ? "good" : "idle"}>{available ? "available" : "not available"}</Chip>
      </div>
      <div class="mesh-solver-facts">
        {!available && (
          <p class="mesh-why">
            No worker that has {name} is connected. Jobs that ask for it are refused until there is
            one.
          </p>
        )}
        <dl class="mesh-list">
          <Fact name="Variables">{kindsText(variableKinds)}</Fact>
          <Fact name="Lane">{lane ? `${lane}, its own` : "by the size of the model"}</Fact>
          <Fact name="Options">{optionsText(supportedOptions)}</Fact>
        </dl>
        {options.length > 0 && (
          <details class="mesh-options">
            <summary>{counted(options.length, "raw option")}</summary>
            <ul>
              {options.map((option) => (
                <li key={option.name}>
                  <code>{option.name}</code>{" "}
                  <span class="mesh-minor">
                    {SolverOptionType[option.type]?.toLowerCase() ?? ""}
                  </span>
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
    </article>
  );
}

function LimitList({ limits }: { limits: Limits }) {
  return (
    <dl class="mesh-list">
      <Fact name="Request">{binarySize(limits.maxMessageBytes)}</Fact>
      <Fact name="Model, unpacked">{binarySize(limits.maxModelBytes)}</Fact>
      <Fact name="Variables">{count(limits.maxVariables)}</Fact>
      <Fact name="Constraints">{count(limits.maxConstraints)}</Fact>
      <Fact name="Nonzeros">{count(limits.maxNonzeros)}</Fact>
      <Fact name="Scenarios of a sweep">{count(limits.maxScenarios)}</Fact>
      <Fact name="Time limit">
        at most {seconds(secondsOf(limits.maxTimeLimit))};{" "}
        {seconds(secondsOf(limits.defaultTimeLimit))} if none is given
      </Fact>
      <Fact name="Queue and solve together">{seconds(secondsOf(limits.maxTotalTimeLimit))}</Fact>
      <Fact name="Unfinished jobs">{count(limits.maxLiveJobs)}</Fact>
      <Fact name="Open watches of a gateway">{count(limits.maxWatchers)}</Fact>
      <Fact name="Jobs in one watch">{count(limits.maxJobsPerWatch)}</Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** The name of a solver as its authors write it. */
function solverName(solver: Solver): string {
  const names: Partial<Record<Solver, string>> = {
    [Solver.HIGHS]: "HiGHS",
    [Solver.MICROLP]: "microlp",
    [Solver.CLARABEL]: "Clarabel",
  };
  return names[solver] ?? Solver[solver] ?? `solver ${solver}`;
}

function kindsText(kinds: readonly VariableKind[]): string {
  return kinds.map((kind) => (VariableKind[kind] ?? "").toLowerCase().replace("_", "-")).join(", ");
}

/** The options that a solver supports beside those that all do, in words. */
function optionsText(options: readonly string[]): string {
  if (options.length === 0) return "those that every solver has";
  return options.map((option) => option.replace(/^return_/, "").replaceAll("_", " ")).join(", ");
}

function laneHint(name: string, solvers: readonly SolverCapabilities[]): string {
  const own = solvers.filter(({ lane }) => lane === name).map(({ solver }) => solverName(solver));
  if (own.length > 0) return `jobs for ${own.join(", ")}`;
  if (name === "express") return "small LPs";
  if (name === "standard") return "all other jobs";
  return "";
}

/** A size as it is configured: in powers of 1024. */
function binarySize(bytes: bigint): string {
  const size = Number(bytes);
  if (size >= 2 ** 30) return `${count(size / 2 ** 30)} GiB`;
  return size >= 2 ** 20 ? `${count(size / 2 ** 20)} MiB` : `${count(size)} bytes`;
}

function seconds(value: number | undefined): string {
  return value === undefined ? "–" : duration(value);
}

/** What the gateway tells of the mesh, asked for again while the page is visible. */
function useCapabilities() {
  const [mesh, setMesh] = useState<GetCapabilitiesResponse | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [updated, setUpdated] = useState<Date | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    const ask = async () => {
      if (document.visibilityState === "hidden") return;
      try {
        const response = await client.getCapabilities({}, { signal: abort.signal });
        setMesh(response);
        setUpdated(new Date());
        setProblem(undefined);
      } catch (error) {
        if (!abort.signal.aborted) setProblem(problemOf(error));
      }
    };
    void ask();
    const timer = setInterval(ask, INTERVAL);
    document.addEventListener("visibilitychange", ask);
    return () => {
      abort.abort();
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, []);
  return { mesh, problem, updated };
}
