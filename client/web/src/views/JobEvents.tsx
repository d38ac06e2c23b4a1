// The events of a job, as they were received.

import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { useMemo, useState } from "preact/hooks";
import { JobEventSchema } from "../../gen/solvemesh/v1/job_pb";
import type { EventLine } from "../event-line";
import { eventWords } from "../event-words";
import { clock, counted } from "../format";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { save } from "../parts/download";
import { TextBox } from "../parts/TextBox";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import type { Story } from "../story";

export function JobEvents({ story }: { story: Story }) {
  const [opened, setOpened] = useState<EventLine>();
  const { events, job, skipped } = story;
  const columns = useMemo(() => columnsOf(), []);
  const name = job.description?.modelName || story.id.slice(0, 8);
  const notes = [
    events.dropped > 0 && `${counted(events.dropped, "older event")} not kept in this page`,
    skipped > 0 && `${counted(skipped, "event")} not sent by the mesh`,
  ].filter((note) => note !== false);
  const saveAll = () => {
    const all = events.toArray().map(({ event }) => eventJson(event));
    save(`${name}.events.json`, "application/json", [JSON.stringify(all, undefined, 1)]);
  };
  return (
    <>
      {notes.length > 0 && <p class="job-hint job-note">{notes.join(" · ")}</p>}
      <VirtualTable<EventLine>
        label="Events"
        rows={events}
        columns={columns}
        rowKey={(line) => line.sequence}
        search={{
          placeholder: "Search events",
          text: (line) => eventWords(line).join(" "),
        }}
        empty="There are no events yet."
        onOpen={setOpened}
        initialSort={{ key: "sequence", descending: true }}
        tools={
          <button type="button" class="button button-small" onClick={saveAll}>
            Download JSON
          </button>
        }
      />
      {opened && <EventDialog line={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

function columnsOf(): Column<EventLine>[] {
  return [
    {
      key: "sequence",
      title: "#",
      align: "right",
      width: "44px",
      hint: "The sequence number",
      cell: (line) => line.sequence,
      by: (line) => line.sequence,
    },
    {
      key: "time",
      title: "time",
      width: "104px",
      wide: true,
      cell: (line) => <span title={line.time?.toISOString()}>{timeOf(line)}</span>,
    },
    {
      key: "attempt",
      title: "attempt",
      align: "right",
      width: "72px",
      wide: true,
      cell: (line) => line.attempt || "",
    },
    {
      key: "kind",
      title: "event",
      width: "108px",
      cell: (line) => eventWords(line)[0],
      by: (line) => eventWords(line)[0],
    },
    {
      key: "text",
      title: "details",
      width: "minmax(0, 1fr)",
      cell: (line) => <span title={eventWords(line)[1]}>{eventWords(line)[1]}</span>,
    },
  ];
}

function timeOf({ time }: EventLine): string {
  if (!time) return "";
  return `${clock(time)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

function EventDialog({ line, onClose }: { line: EventLine; onClose: () => void }) {
  const json = JSON.stringify(eventJson(line.event), undefined, 2);
  return (
    <Dialog title={`Event ${line.sequence}: ${eventWords(line)[0]}`} onClose={onClose}>
      {line.bulk > 0 && <p class="job-hint">Without its {counted(line.bulk, "value")}.</p>}
      <TextBox class="job-code" label="The event as JSON">
        {json}
      </TextBox>
      <p class="job-dialog-actions">
        <Copy text={json} />
      </p>
    </Dialog>
  );
}

function eventJson(event: EventLine["event"]): JsonValue {
  return toJson(JobEventSchema, event);
}
