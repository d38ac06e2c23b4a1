// What a gateway can do: its solvers, lanes and limits.

import type { ComponentChildren } from "preact";

import type {
  GetCapabilitiesResponse,
  Limits,
  SolverCapabilities,
} from "../../gen/solvemesh/v1/job_service_pb";
import { SolverOptionType } from "../../gen/solvemesh/v1/job_service_pb";
import { VariableKind } from "../../gen/solvemesh/v1/model_pb";
import { count, counted, duration } from "../format";
import { solverName } from "../model/capabilities";
import { Chip } from "../parts/Chip";
import { secondsOf } from "../time";

interface Props {
  capabilities: GetCapabilitiesResponse;
  /** Whether the lanes are listed too; they are not where their state is shown. */
  withLanes: boolean;
}

export function MeshCapabilities({ capabilities, withLanes }: Props) {
  const { solvers, lanes, limits } = capabilities;
  return (
    <>
      <section class="mesh-section">
        <h2>Solvers</h2>
        <div class="card">
          {solvers.map((solver) => (
            <SolverRow key={solver.solver} capabilities={solver} />
          ))}
        </div>
      </section>
      <div class={withLanes ? "mesh-columns" : undefined}>
        {withLanes && (
          <section class="mesh-section">
            <h2>Lanes</h2>
            <div class="card mesh-card">
              <ul class="mesh-lanes">
                {lanes.map(({ name }) => (
                  <li key={name}>
                    <strong>{name}</strong>
                    <span class="mesh-minor">{laneHint(name, solvers)}</span>
                  </li>
                ))}
              </ul>
            </div>
          </section>
        )}
        {limits && (
          <section class="mesh-section">
            <h2>Limits</h2>
            <div class="card mesh-card">
              <LimitList limits={limits} />
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

function kindsText(kinds: readonly VariableKind[]): string {
  return kinds.map((kind) => (VariableKind[kind] ?? "").toLowerCase().replace("_", "-")).join(", ");
}

/** The options that a solver supports beside those that all do, in words. */
function optionsText(options: readonly string[]): string {
  if (options.length === 0) return "those that every solver has";
  return options.map((option) => option.replace(/^return_/, "").replaceAll("_", " ")).join(", ");
}

/** Which jobs wait in a lane. */
export function laneHint(name: string, solvers: readonly SolverCapabilities[]): string {
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
