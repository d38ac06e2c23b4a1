// Solves a model on the gateway at an address, 127.0.0.1:50051 if there is none: submits it, watches
// its events, and prints the result. A watch that breaks continues at its last token.

#include <chrono>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "solvemesh/v1/job_service.grpc.pb.h"

namespace v1 = solvemesh::v1;

namespace {

constexpr int kTries = 10;
constexpr std::chrono::milliseconds kPause{500};

// Makes the submission the same job, however often it is sent.
std::string RequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) id += std::to_string(random()) + "-";
  return id;
}

bool IsTransient(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return true;
    default:
      return false;
  }
}

grpc::Status Submit(v1::JobService::Stub& service, const v1::SubmitJobRequest& request,
                    v1::SubmitJobResponse* response) {
  grpc::Status status;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kPause);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    status = service.SubmitJob(&context, request, response);
    if (!IsTransient(status)) break;
  }
  return status;
}

// Reads the events of a job until it has finished.
grpc::Status Watch(v1::JobService::Stub& service, const std::string& job_id,
                   v1::JobFinished* finished) {
  v1::WatchResultsRequest request;
  request.add_job_ids(job_id);
  grpc::Status status;
  for (int failures = 0; failures < kTries;) {
    grpc::ClientContext context;
    auto stream = service.WatchResults(&context, request);
    v1::WatchResultsResponse response;
    while (stream->Read(&response)) {
      failures = 0;
      request.set_resume_token(response.resume_token());
      if (!response.has_event()) continue;
      const v1::JobEvent& event = response.event();
      std::cout << "event " << event.sequence() << std::endl;
      if (event.has_finished()) {
        *finished = event.finished();
        context.TryCancel();
        return grpc::Status::OK;
      }
    }
    status = stream->Finish();
    if (!status.ok() && !IsTransient(status)) return status;
    ++failures;
    std::this_thread::sleep_for(kPause);
  }
  return status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended early") : status;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:50051";
  auto service =
      v1::JobService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));

  v1::SubmitJobRequest request;
  request.set_request_id(RequestId());
  request.mutable_model()->set_lp(
      "Maximize\n profit: 300 Doors + 500 Windows\nSubject To\n plant1: Doors <= 4\n"
      " plant2: 2 Windows <= 12\n plant3: 3 Doors + 2 Windows <= 18\nEnd\n");
  v1::SubmitJobResponse submitted;
  grpc::Status status = Submit(*service, request, &submitted);
  v1::JobFinished finished;
  if (status.ok()) status = Watch(*service, submitted.job().job_id(), &finished);
  if (!status.ok()) {
    std::cerr << "error: " << status.error_message() << std::endl;
    return 1;
  }
  if (finished.has_failure()) {
    std::cerr << "the job failed: " << finished.failure().message() << std::endl;
    return 1;
  }

  const v1::SolveResult& result = finished.result();
  const v1::Termination& termination = result.termination();
  if (termination.reason() != v1::TERMINATION_REASON_OPTIMAL) {
    std::cout << v1::TerminationReason_Name(termination.reason()) << std::endl;
    return 0;
  }
  // A solution that is too large for one message comes in `solution_part` events before.
  std::cout << "OPTIMAL " << termination.objective() << ":";
  const v1::Solution& solution = result.solution();
  for (int i = 0; i < solution.values_size(); ++i) {
    std::cout << (i > 0 ? ", " : " ") << solution.variable_names(i) << " = " << solution.values(i);
  }
  std::cout << std::endl;
  return 0;
}
