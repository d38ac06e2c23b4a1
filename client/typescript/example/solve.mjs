// Solves a model on the gateway at SOLVEMESH_URL, and shows what happens meanwhile.

import { createMeshClient, fromLp, TerminationReason } from "solvemesh";

const client = createMeshClient({ baseUrl: process.env.SOLVEMESH_URL ?? "http://127.0.0.1:50051" });
const model = fromLp(`Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End`);

const job = await client.submit(model);
for await (const event of job.events()) console.log(event.sequence, event.kind.case);
const result = await job.result();
console.log(TerminationReason[result.reason], result.objective, result.values);
