import { create } from "@bufbuild/protobuf";

import {
  type GetCapabilitiesResponse,
  type SubmitJobRequest,
  SubmitJobRequestSchema,
} from "../../gen/solvemesh/v1/job_service_pb";
import { FileFormat, type Model, ModelSchema } from "../../gen/solvemesh/v1/model_pb";
import { type AxisForm, type ReportForm, sweepOf } from "./axes";
import { labelsOf, type OptionsForm, solveOptions } from "./options";
import type { Source } from "./source";

/** Everything that a request is made of. */
export interface Draft {
  source: Source;
  options: OptionsForm;
  /** The axes of a sweep; none for a single solve. */
  axes: readonly AxisForm[];
  report?: ReportForm;
}

/** The request of a draft. `requestId` is empty for a check, which queues nothing. */
export function buildRequest(
  draft: Draft,
  capabilities: GetCapabilitiesResponse | undefined,
  requestId: string,
): SubmitJobRequest {
  const sweep = draft.axes.length > 0;
  const request = create(SubmitJobRequestSchema, {
    model: modelOf(draft.source, draft.options.name.trim()),
    options: solveOptions(draft.options, capabilities, sweep),
    labels: labelsOf(draft.options),
    requestId,
    validateOnly: !requestId,
    lane: draft.options.lane,
  });
  if (sweep) request.sweep = sweepOf(draft.axes, draft.report);
  return request;
}

function modelOf(source: Source, name: string): Model {
  if (source.kind === "text") {
    const value = source.text;
    return create(ModelSchema, { name: name || source.name, form: { case: source.format, value } });
  }
  const format = source.format === "lp" ? FileFormat.LP : FileFormat.MPS;
  // Without a name of the request the gateway takes the one in the file.
  return create(ModelSchema, {
    name,
    form: {
      case: "file",
      value: {
        content: source.content,
        name: source.name,
        format: source.head.length ? format : 0,
      },
    },
  });
}
