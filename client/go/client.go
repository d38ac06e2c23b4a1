// Package solvemesh is a client for a mesh that solves linear and mixed-integer models.
//
// [Client.Solve] submits a model, waits, and returns the result. [Client.Submit] returns a [Job],
// whose events can be watched; the job runs on if this process ends. Models, options and events
// are the messages of the API, in the package solvemeshv1 beside this one.
package solvemesh

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	solvemeshv1 "github.com/solvemesh/solvemesh/client/go/solvemesh/v1"
)

// Client calls the gateways behind one address. It may be shared by goroutines.
type Client struct {
	conn    *grpc.ClientConn
	service solvemeshv1.JobServiceClient
	retry   Retry
}

// Option changes a [Client].
type Option func(*settings)

type settings struct {
	retry          Retry
	dial           []grpc.DialOption
	tls            *tls.Config
	token          string
	plainTextToken bool
}

// WithRetry replaces [DefaultRetry].
func WithRetry(retry Retry) Option {
	return func(s *settings) { s.retry = retry }
}

// WithTLS replaces the configuration of TLS, which trusts the CAs of the system: for a private CA, or
// for the certificate of the client. It needs an address with "https://".
func WithTLS(config *tls.Config) Option {
	return func(s *settings) { s.tls = config }
}

// WithToken sends a token with each call, as "authorization: Bearer TOKEN". [Connect] refuses to send it
// without TLS to another machine.
func WithToken(token string) Option {
	return func(s *settings) { s.token = token }
}

// WithPlainTextToken permits to send the token of [WithToken] without TLS over a network, where it can
// be read.
func WithPlainTextToken() Option {
	return func(s *settings) { s.plainTextToken = true }
}

// WithDialOptions adds options of gRPC. They take precedence over those of this package.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// maxResponse is the largest response that is accepted. gRPC's default, 4 MiB, is too small for the
// result of a large job in one message.
const maxResponse = 256 << 20

// Connect makes a client of the gateway at an address: "http://host:port", "https://host:port", or
// "host:port", which is without TLS. It opens no connection; the first call does.
func Connect(address string, options ...Option) (*Client, error) {
	target, secure, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	s := settings{retry: DefaultRetry}
	for _, option := range options {
		option(&s)
	}
	transport := insecure.NewCredentials()
	switch {
	case secure:
		transport = credentials.NewTLS(s.tls)
	case s.tls != nil:
		return nil, fmt.Errorf("invalid gateway address %q: it must begin with https://, as TLS is configured", address)
	case s.token != "" && !s.plainTextToken && !isLoopback(target):
		return nil, fmt.Errorf("invalid gateway address %q: it must begin with https://, as the token would be sent unencrypted", address)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponse)),
		// gRPC waits up to two minutes between attempts to connect, and calls fail in the meantime.
		// This package has retries of its own, so a gateway that is back should be found soon.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDisableRetry(),
	}
	if s.token != "" {
		dial = append(dial, grpc.WithPerRPCCredentials(bearer(s.token)))
	}
	conn, err := grpc.NewClient(target, append(dial, s.dial...)...)
	if err != nil {
		return nil, fmt.Errorf("invalid gateway address %q: %w", address, err)
	}
	return &Client{conn: conn, service: solvemeshv1.NewJobServiceClient(conn), retry: s.retry}, nil
}

// bearer is a token that is sent with each call.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity is false, because a loopback address needs no TLS; Connect has checked it.
func (b bearer) RequireTransportSecurity() bool { return false }

// isLoopback tells whether a target of gRPC is this machine.
func isLoopback(target string) bool {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(target, "dns:///"))
	if err != nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if address := net.ParseIP(host); address != nil {
		return address.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func parseAddress(address string) (target string, secure bool, err error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return "", false, fmt.Errorf("invalid gateway address: %w", err)
	}
	if parsed.User != nil {
		// Without the address: it has a password.
		return "", false, errors.New("invalid gateway address: it must not contain a user")
	}
	port := parsed.Port()
	switch parsed.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		secure = true
		if port == "" {
			port = "443"
		}
	default:
		return "", false, fmt.Errorf("invalid gateway address %q: the scheme must be http or https", address)
	}
	if parsed.Hostname() == "" || strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" {
		return "", false, fmt.Errorf("invalid gateway address %q: it must be a host and a port", address)
	}
	host := parsed.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "dns:///" + host + ":" + port, secure, nil
}

// Close closes the connection. Jobs go on.
func (c *Client) Close() error { return c.conn.Close() }

// Service returns the generated client, for all other methods of the API. Its calls are made once,
// without retries.
func (c *Client) Service() solvemeshv1.JobServiceClient { return c.service }

// cancelGrace is how long Solve waits, after its context has ended, for the job to stop.
const cancelGrace = 15 * time.Second

// Solve submits a model, waits for the end of its job, and returns the result. options may be nil.
//
// An infeasible or unbounded model is a result, not an error; see [Result.Reason]. A job that
// failed is a [*JobFailedError].
//
// If ctx ends first, the job is cancelled, and the error is that of ctx. The result is not nil then
// if the job stopped within a few seconds: it has the best solution so far, if there is one.
func (c *Client) Solve(
	ctx context.Context, model *solvemeshv1.Model, options *solvemeshv1.SolveOptions,
) (*Result, error) {
	// The request id makes it safe to submit twice, in a retry and after a cancel.
	request := &solvemeshv1.SubmitJobRequest{Model: model, Options: options, RequestId: newRequestID()}
	job, err := c.Submit(ctx, request)
	if err == nil {
		var result *Result
		if result, err = job.Result(ctx); err == nil || ctx.Err() == nil {
			return result, err
		}
	}
	if ctx.Err() == nil {
		return nil, err
	}
	cause := context.Cause(ctx)
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelGrace)
	defer stop()
	if job == nil {
		// The job may exist: its id was on the way.
		if job, err = c.Submit(grace, request); err != nil {
			return nil, fmt.Errorf("%w; the job with the request id %s may be running: %w", cause, request.RequestId, err)
		}
	}
	if err := job.Cancel(grace); err != nil {
		return nil, fmt.Errorf("%w; job %s could not be cancelled: %w", cause, job.ID, err)
	}
	result, err := job.Result(grace)
	if err != nil {
		return nil, fmt.Errorf("%w; job %s was asked to stop: %w", cause, job.ID, err)
	}
	return result, cause
}

// Submit submits a job, and returns when the mesh has stored it: it runs on if this process ends. A
// request without a request id gets one, so that retries do not make a second job.
func (c *Client) Submit(ctx context.Context, request *solvemeshv1.SubmitJobRequest) (*Job, error) {
	if request.GetRequestId() == "" && !request.GetValidateOnly() {
		request = proto.CloneOf(request)
		request.RequestId = newRequestID()
	}
	response, err := retrying(ctx, c.retry, func(ctx context.Context) (*solvemeshv1.SubmitJobResponse, error) {
		return c.service.SubmitJob(ctx, request)
	})
	if err != nil {
		return nil, err
	}
	return c.Job(response.GetJob().GetJobId()), nil
}

// Job returns the handle of a job by its id. It makes no call.
func (c *Client) Job(id string) *Job { return &Job{ID: id, client: c} }

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	// It never fails: the runtime aborts the program if there is no source of random numbers.
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
