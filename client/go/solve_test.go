package solvemesh_test

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	solvemesh "github.com/solvemesh/solvemesh/client/go"
	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

func close(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

func TestAModelOfArraysIsSolvedWithDuals(t *testing.T) {
	model := solvemesh.FromArrays(&solvemeshv1.LinearModel{
		Sense:           solvemeshv1.ObjectiveSense_OBJECTIVE_SENSE_MAXIMIZE,
		Objective:       []float64{300, 500},
		ConstraintUpper: []float64{4, 12, 18},
		RowStarts:       []int32{0, 1, 2, 4},
		ColumnIndices:   []int32{0, 1, 0, 1},
		Coefficients:    []float64{1, 2, 3, 2},
		VariableNames:   []string{"Doors", "Windows"},
	})
	result, err := connect(t, shared.address).Solve(limited(t), model, nil)
	if err != nil {
		t.Fatal(err)
	}
	if reason := result.Reason(); reason != solvemeshv1.TerminationReason_TERMINATION_REASON_OPTIMAL {
		t.Errorf("the reason is %s", reason)
	}
	if objective, ok := result.Objective(); !ok || !close(objective, 3600) {
		t.Errorf("the objective is %v, %v", objective, ok)
	}
	if windows, ok := result.Value("Windows"); !ok || !close(windows, 6) {
		t.Errorf("Windows is %v, %v", windows, ok)
	}
	if value, ok := result.Value("Roofs"); ok {
		t.Errorf("a variable that does not exist has the value %v", value)
	}
	for at, want := range []float64{0, 150, 100} {
		if dual := result.GetSolution().GetDuals()[at]; !close(dual, want) {
			t.Errorf("dual %d is %v, not %v", at, dual, want)
		}
	}
}

func TestAFileIsSolved(t *testing.T) {
	model, err := solvemesh.FromFile(filepath.Join("..", "..", "examples", "wyndor.lp"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := connect(t, "http://"+shared.address).Solve(limited(t), model, nil)
	if err != nil {
		t.Fatal(err)
	}
	if objective, _ := result.Objective(); !close(objective, 3600) {
		t.Errorf("the objective is %v", objective)
	}
	if _, err := solvemesh.FromFile("no such file.lp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist is %v", err)
	}
}

func TestAnInfeasibleModelIsAResultAndHasAProof(t *testing.T) {
	model := solvemesh.FromLP("Minimize\n obj: x\nSubject To\n low: x >= 2\n high: x <= 1\nEnd")
	result, err := connect(t, shared.address).Solve(limited(t), model, nil)
	if err != nil {
		t.Fatal(err)
	}
	if reason := result.Reason(); reason != solvemeshv1.TerminationReason_TERMINATION_REASON_INFEASIBLE {
		t.Errorf("the reason is %s", reason)
	}
	if !result.GetInfeasibilityProof().GetVerified() {
		t.Error("there is no verified proof")
	}
	if objective, ok := result.Objective(); ok {
		t.Errorf("there is an objective, %v", objective)
	}
}

func TestABadModelIsRefusedWithItsLine(t *testing.T) {
	model := solvemesh.FromLP("Minimize\n obj: x\nSubject To\n c1: x >=\nEnd")
	_, err := connect(t, shared.address).Solve(limited(t), model, nil)
	var refused *solvemesh.Error
	if !errors.As(err, &refused) {
		t.Fatalf("the error is %v", err)
	}
	if refused.Reason != "SYNTAX_ERROR" || refused.Metadata["line"] != "5" || refused.Transient() {
		t.Errorf("the error is %+v", refused)
	}
	if len(refused.Violations) != 1 || refused.Violations[0].Field != "model.lp" {
		t.Errorf("the violations are %v", refused.Violations)
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("the code is %s", status.Code(err))
	}
}

func TestAContextThatEndsCancelsTheJobAndReturnsTheBestSolution(t *testing.T) {
	client := connect(t, shared.address)
	ctx, stop := context.WithTimeout(limited(t), 2*time.Second)
	defer stop()
	options := &solvemeshv1.SolveOptions{TimeLimit: durationpb.New(100 * time.Second)}
	result, err := client.Solve(ctx, marketSplit(), options)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error is %v", err)
	}
	if result == nil {
		t.Fatal("there is no result")
	}
	if limit := result.GetTermination().GetLimit(); limit != solvemeshv1.TerminationLimit_TERMINATION_LIMIT_INTERRUPTED {
		t.Errorf("the limit is %s", limit)
	}
	if _, ok := result.Objective(); !ok {
		t.Error("there is no solution")
	}
	info, err := client.Job(result.JobID).Info(limited(t), solvemeshv1.JobView_JOB_VIEW_BASIC)
	if err != nil {
		t.Fatal(err)
	}
	if !info.GetCancelRequested() || info.GetFinishTime() == nil {
		t.Errorf("the job is %v", info)
	}
}

func TestAContextThatEndedBeforeTheCallLeavesNoJobRunning(t *testing.T) {
	client := connect(t, shared.address)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	result, err := client.Solve(ctx, marketSplit(), nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	if result.State != solvemeshv1.JobState_JOB_STATE_CANCELLED {
		t.Errorf("the job is %s", result.State)
	}
}

func TestAWatchContinuesWhereABrokenConnectionStopped(t *testing.T) {
	proxy := startCutter(t, shared.address)
	client := connect(t, proxy.Addr().String())
	ctx := limited(t)
	job, err := client.Submit(ctx, &solvemeshv1.SubmitJobRequest{
		Model:   marketSplit(),
		Options: &solvemeshv1.SolveOptions{TimeLimit: durationpb.New(3 * time.Second)},
	})
	if err != nil {
		t.Fatal(err)
	}
	watch := job.Watch(ctx, "")
	defer watch.Close()
	next, finished := int32(1), false
	for watch.Next() {
		event := watch.Event()
		if event.GetSequence() != next+event.GetSkippedCount() {
			t.Errorf("event %d follows event %d", event.GetSequence(), next-1)
		}
		next = event.GetSequence() + 1
		if event.GetProgress() != nil || event.GetStarted() != nil {
			proxy.cut()
		}
		finished = event.GetFinished() != nil
	}
	if err := watch.Err(); err != nil {
		t.Fatal(err)
	}
	if !finished {
		t.Error("the last event is not finished")
	}
	if count := proxy.connections(); count < 3 {
		t.Errorf("there were %d connections", count)
	}
}

func TestATokenOfOneWatchContinuesInAnother(t *testing.T) {
	client, ctx := connect(t, shared.address), limited(t)
	job, err := client.Submit(ctx, &solvemeshv1.SubmitJobRequest{Model: solvemesh.FromLP(wyndor)})
	if err != nil {
		t.Fatal(err)
	}
	first := job.Watch(ctx, "")
	if !first.Next() || first.Event().GetQueued() == nil {
		t.Fatalf("the first event is %v, %v", first.Event(), first.Err())
	}
	token := first.ResumeToken()
	first.Close()
	second := job.Watch(ctx, token)
	var sequences []int32
	for second.Next() {
		sequences = append(sequences, second.Event().GetSequence())
	}
	if second.Err() != nil || len(sequences) < 2 || sequences[0] != 2 {
		t.Errorf("events %v follow, %v", sequences, second.Err())
	}
	third := job.Watch(ctx, second.ResumeToken())
	if third.Next() || third.Err() != nil {
		t.Errorf("after the end there is %v, %v", third.Event(), third.Err())
	}
}

func TestTheSameRequestIDIsTheSameJob(t *testing.T) {
	client, ctx := connect(t, shared.address), limited(t)
	request := &solvemeshv1.SubmitJobRequest{Model: solvemesh.FromLP(wyndor)}
	once, err := client.Submit(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	if request.RequestId != "" {
		t.Error("the caller's request was changed")
	}
	other, err := client.Submit(ctx, request)
	if err != nil || other.ID == once.ID {
		t.Fatalf("two submissions are one job: %v", err)
	}
	info, err := once.Info(ctx, solvemeshv1.JobView_JOB_VIEW_BASIC)
	if err != nil {
		t.Fatal(err)
	}
	again := proto.CloneOf(request)
	again.RequestId = info.GetDescription().GetRequestId()
	if same, err := client.Submit(ctx, again); err != nil || same.ID != once.ID {
		t.Errorf("a repeated submission is another job: %v", err)
	}
}

func TestASubmissionIsRepeatedUntilTheGatewayIsThere(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	_ = reserved.Close()
	client := connect(t, address)
	type outcome struct {
		result *solvemesh.Result
		err    error
	}
	outcomes := make(chan outcome)
	go func() {
		result, err := client.Solve(limited(t), solvemesh.FromLP(wyndor), nil)
		outcomes <- outcome{result, err}
	}()
	late, err := startGateway(address, "express=1,standard=1")
	if err != nil {
		t.Fatal(err)
	}
	defer late.stop()
	got := <-outcomes
	if got.err != nil {
		t.Fatal(got.err)
	}
	if objective, _ := got.result.Objective(); !close(objective, 3600) {
		t.Errorf("the objective is %v", objective)
	}
}

func TestAGatewayThatIsNotThereIsAnErrorAfterTheBudget(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	_ = reserved.Close()
	retry := solvemesh.DefaultRetry
	retry.Budget = 300 * time.Millisecond
	client := connect(t, address, solvemesh.WithRetry(retry))
	_, err = client.Solve(limited(t), solvemesh.FromLP(wyndor), nil)
	var failed *solvemesh.Error
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable || !failed.Transient() {
		t.Errorf("the error is %v", err)
	}
}

func TestAJobThatNoWorkerTakesInTimeIsAnErrorOfItsOwn(t *testing.T) {
	own, err := startGateway("127.0.0.1:0", "express=1,standard=1")
	if err != nil {
		t.Fatal(err)
	}
	defer own.stop()
	client, ctx := connect(t, own.address), limited(t)
	running, err := client.Submit(ctx, &solvemeshv1.SubmitJobRequest{Model: marketSplit()})
	if err != nil {
		t.Fatal(err)
	}
	watch := running.Watch(ctx, "")
	for watch.Next() && watch.Event().GetStarted() == nil {
	}
	watch.Close()
	waiting, err := client.Submit(ctx, &solvemeshv1.SubmitJobRequest{
		Model: marketSplit(), QueueTimeLimit: durationpb.New(200 * time.Millisecond),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = waiting.Result(ctx)
	var failed *solvemesh.JobFailedError
	if !errors.As(err, &failed) || failed.State != solvemeshv1.JobState_JOB_STATE_EXPIRED || failed.JobID != waiting.ID {
		t.Errorf("the error is %v", err)
	}
	if err := running.Cancel(ctx); err != nil {
		t.Error(err)
	}
	if result, err := running.Result(ctx); err != nil || result.State != solvemeshv1.JobState_JOB_STATE_CANCELLED {
		t.Errorf("the cancelled job is %v, %v", result, err)
	}
}

func TestAddressesThatAreNotOnesAreRefused(t *testing.T) {
	for _, address := range []string{"", "ftp://mesh:1", "http://mesh:1/path", "http://me:secret@mesh:1", "http://mesh:1?x"} {
		if client, err := solvemesh.Connect(address); err == nil {
			_ = client.Close()
			t.Errorf("%q was accepted", address)
		}
	}
	for _, address := range []string{"mesh", "[::1]:5", "https://mesh", "http://mesh:50051/"} {
		client, err := solvemesh.Connect(address)
		if err != nil {
			t.Errorf("%q was refused: %v", address, err)
			continue
		}
		_ = client.Close()
	}
}
