// Events in words.

import { TerminationReason } from "../gen/solvemesh/v1/result_pb";
import type { EventLine } from "./event-line";
import { counted, number, percent } from "./format";
import { stateWord } from "./parts/Chip";

/** The kind of an event, and what it says. */
export function eventWords({ event, bulk }: EventLine): readonly [kind: string, text: string] {
  const { kind } = event;
  switch (kind.case) {
    case "queued": {
      const lane = kind.value.description?.lane;
      return ["queued", lane ? `lane ${lane}` : ""];
    }
    case "started": {
      const { worker, startObjective } = kind.value;
      const start = startObjective === undefined ? "" : `, from ${number(startObjective)}`;
      return ["started", `on ${worker}${start}`];
    }
    case "progress": {
      const { objective, objectiveBound, relativeGap, nodeCount } = kind.value;
      return [
        "progress",
        joined([
          objective !== undefined && `best ${number(objective)}`,
          objectiveBound !== undefined && `bound ${number(objectiveBound)}`,
          relativeGap !== undefined && `gap ${percent(relativeGap)}`,
          nodeCount !== undefined && counted(nodeCount, "node"),
        ]),
      ];
    }
    case "incumbent": {
      const { objective, valuesOmitted } = kind.value;
      return [
        "solution",
        joined([
          objective !== undefined && number(objective),
          valuesOmitted ? "values omitted" : counted(bulk, "value"),
        ]),
      ];
    }
    case "log": {
      const omitted = Number(kind.value.omittedCount);
      return [
        "log",
        joined([counted(bulk, "line"), omitted > 0 && `${counted(omitted, "line")} left out`]),
      ];
    }
    case "cancelRequested":
      return ["stop requested", ""];
    case "attemptFailed": {
      const { reason = "", message = "" } = kind.value.failure ?? {};
      return ["attempt failed", joined([reason, message])];
    }
    case "solutionPart":
      return ["solution part", `${kind.value.index + 1} of ${kind.value.count}`];
    case "scenarioResults":
      return ["scenarios", counted(bulk, "result")];
    case "finished": {
      const { state, result, failure } = kind.value;
      const reason = result?.termination?.reason;
      return [
        "finished",
        joined([
          stateWord(state)[1],
          reason !== undefined && TerminationReason[reason]?.toLowerCase().replaceAll("_", " "),
          failure?.reason,
        ]),
      ];
    }
    default:
      return ["unknown", "an event that this page does not know"];
  }
}

function joined(parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part).join(", ");
}
