package tests

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"aster.invalid/aster"
)

// loopback keeps the tests on this machine.
var loopback = aster.Config{"relay_mode": "disabled", "bind_addr": "127.0.0.1:0"}

type helloRequest struct {
	Name string `aster:"name"`
}

func (helloRequest) AsterTag() string { return "demo/HelloRequest" }

type helloReply struct {
	Message string `aster:"message"`
}

func (helloReply) AsterTag() string { return "demo/HelloReply" }

type inner struct {
	On bool `aster:"on"`
}

func (inner) AsterTag() string { return "go/Inner" }

type everything struct {
	Text     string            `aster:"text"`
	Flag     bool              `aster:"flag"`
	Whole    int64             `aster:"whole"`
	Small    int8              `aster:"small"`
	Counter  uint64            `aster:"counter"`
	Number   float64           `aster:"number"`
	Single   float32           `aster:"single"`
	Raw      []byte            `aster:"raw"`
	At       time.Time         `aster:"at"`
	Took     time.Duration     `aster:"took"`
	Maybe    *string           `aster:"maybe"`
	Inner    inner             `aster:"inner"`
	Optional *inner            `aster:"optional"`
	List     []inner           `aster:"list"`
	Map      map[string][]int  `aster:"map"`
	Numbered map[int32]float64 `aster:"numbered"`
	Switched map[bool]string   `aster:"switched"`
	hidden   int
	Skipped  chan int `aster:"-"`
}

func (everything) AsterTag() string { return "go/Everything" }

// service has methods that behave in every way; the handler of wait tells when it starts and why it stops.
func service(started chan<- struct{}, stopped chan<- error) *aster.ServiceDesc {
	hello := func(handler func(context.Context, helloRequest) (helloReply, error)) func(context.Context, helloRequest) (helloReply, error) {
		return handler
	}
	return aster.NewService("Hello", 1,
		aster.Unary("sayHello", hello(func(_ context.Context, q helloRequest) (helloReply, error) {
			return helloReply{"Hello, " + q.Name + "!"}, nil
		})),
		aster.Unary("echo", func(_ context.Context, q everything) (everything, error) { return q, nil }),
		aster.Unary("wait", hello(func(ctx context.Context, _ helloRequest) (helloReply, error) {
			started <- struct{}{}
			<-ctx.Done()
			stopped <- ctx.Err()
			return helloReply{}, ctx.Err()
		})),
		aster.Unary("fail", hello(func(_ context.Context, q helloRequest) (helloReply, error) {
			switch q.Name {
			case "status":
				return helloReply{}, aster.NotFound
			case "wrapped":
				return helloReply{}, fmt.Errorf("outside: %w", aster.NewError(250, "number %d", 250))
			case "panic":
				panic("boom")
			}
			return helloReply{}, errors.New("some failure")
		})),
		aster.Unary("detailed", hello(func(context.Context, helloRequest) (helloReply, error) {
			failure := aster.NewError(aster.FailedPrecondition, "not now")
			failure.Details = map[string]string{"field": "name"}
			return helloReply{}, failure
		})),
		aster.Unary("role", hello(func(ctx context.Context, _ helloRequest) (helloReply, error) {
			call := aster.CallFrom(ctx)
			return helloReply{call.Peer + " " + call.Attributes["aster.role"]}, nil
		})),
		aster.Unary("info", hello(func(ctx context.Context, _ helloRequest) (helloReply, error) {
			call := aster.CallFrom(ctx)
			if call == nil || call.Method != "info" || len(call.Peer) != 64 || call.CallID == "" || call.Deadline.IsZero() {
				return helloReply{}, fmt.Errorf("unexpected: %+v", call)
			}
			return helloReply{call.Metadata["trace"]}, nil
		})),
	)
}

// fixture is a server and a client of it.
type fixture struct {
	server  *aster.Server
	client  *aster.Client
	service *aster.Service
	started chan struct{}
	stopped chan error
}

func setUp(t *testing.T, options ...aster.ServerOption) *fixture {
	t.Helper()
	f := &fixture{started: make(chan struct{}, 16), stopped: make(chan error, 16)}
	description := service(f.started, f.stopped)
	var err error
	options = append([]aster.ServerOption{aster.WithServices(description), loopback}, options...)
	if f.server, err = aster.NewServer(options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.server.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.server.Address() != "" {
		t.Error("an address before the start")
	}
	if err = f.server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if f.client, err = aster.Connect(context.Background(), f.server.Address(), loopback); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.client.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.service, err = f.client.Bind(description); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) hello(ctx context.Context, method, name string, options ...aster.CallOption) (helloReply, error) {
	return aster.Call[helloRequest, helloReply](ctx, f.service, method, helloRequest{name}, options...)
}

func wantError(t *testing.T, what string, err, target error, text string) {
	t.Helper()
	if !errors.Is(err, target) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v is not %v with %q", what, err, target, text)
	}
}

func TestMain(m *testing.M) {
	// The tests decide, not the shell they run in.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "ASTER_") && name != "ASTER_VECTORS_DIR" {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

func TestHello(t *testing.T) {
	f := setUp(t)
	for _, options := range [][]aster.CallOption{nil, {aster.WithJSON()}} {
		reply, err := f.hello(context.Background(), "sayHello", "Wörld \"<\u2028>\" 𝄞", options...)
		if err != nil || reply.Message != "Hello, Wörld \"<\u2028>\" 𝄞!" {
			t.Error(reply, err)
		}
	}
	info := f.client.Info()
	if !info.OpenGate || len(info.Services) != 1 || info.Services[0].Name != "Hello" || len(info.ServerID) != 64 {
		t.Errorf("%+v", info)
	}
}

func TestEveryType(t *testing.T) {
	f := setUp(t)
	text := "there"
	full := everything{
		Text: "τέξτ", Flag: true, Whole: math.MinInt64, Small: -128, Counter: math.MaxUint64, Number: 1e300, Single: 0.1,
		Raw: []byte{0, 255}, At: time.Date(2024, 2, 29, 1, 2, 3, 456000, time.UTC), Took: -1500 * time.Millisecond,
		Maybe: &text, Inner: inner{true}, Optional: &inner{}, List: []inner{{true}, {}},
		Map: map[string][]int{"": {}, "a": {1, -2}}, Numbered: map[int32]float64{-5: math.Inf(-1), 7: 2},
		Switched: map[bool]string{true: "yes", false: "no"},
	}
	empty := everything{
		At: time.Unix(0, 0).UTC(), Raw: []byte{}, List: []inner{}, Map: map[string][]int{}, Numbered: map[int32]float64{},
		Switched: map[bool]string{},
	}
	for _, value := range []everything{full, empty} {
		for _, options := range [][]aster.CallOption{nil, {aster.WithJSON()}} {
			got, err := aster.Call[everything, everything](context.Background(), f.service, "echo", value, options...)
			if err != nil || !reflect.DeepEqual(got, value) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, value)
			}
		}
	}
	got, err := aster.Call[everything, everything](context.Background(), f.service, "echo", everything{Number: math.NaN()})
	if err != nil || !math.IsNaN(got.Number) {
		t.Error(got.Number, err)
	}
}

func TestFailures(t *testing.T) {
	f := setUp(t)
	ctx := context.Background()
	_, err := f.hello(ctx, "fail", "status")
	wantError(t, "status", err, aster.NotFound, "NOT_FOUND")
	wantError(t, "status", err, aster.ErrRPC, "")
	_, err = f.hello(ctx, "fail", "wrapped")
	wantError(t, "wrapped", err, aster.Status(250), "number 250")
	_, err = f.hello(ctx, "fail", "panic")
	wantError(t, "panic", err, aster.Unknown, "panic: boom")
	_, err = f.hello(ctx, "fail", "")
	wantError(t, "error", err, aster.Unknown, "some failure")
	_, err = f.hello(ctx, "detailed", "")
	var failure *aster.Error
	if !errors.As(err, &failure) || failure.Message != "not now" || failure.Details["field"] != "name" {
		t.Error(err)
	}
	_, err = f.hello(ctx, "sayHello", "\xff")
	wantError(t, "bad text", err, aster.ErrCodec, "name: text is not UTF-8")
	_, err = f.hello(ctx, "nothing", "")
	wantError(t, "unknown method", err, aster.ErrNotFound, "nothing")
	_, err = aster.Call[helloReply, helloReply](ctx, f.service, "sayHello", helloReply{})
	wantError(t, "wrong type", err, aster.ErrInvalidArgument, "helloRequest")
	_, err = f.hello(ctx, "sayHello", "", aster.WithMetadata(map[string]string{"aster-x": ""}))
	wantError(t, "reserved metadata", err, aster.InvalidArgument, "aster-x")
	reply, err := f.hello(ctx, "info", "", aster.WithMetadata(map[string]string{"trace": "t1"}), aster.WithTimeout(time.Minute))
	if err != nil || reply.Message != "t1" {
		t.Error(reply, err)
	}
}

func TestUnexposedFailures(t *testing.T) {
	f := setUp(t, aster.Config{"relay_mode": "disabled", "bind_addr": "127.0.0.1:0", "expose_errors": false})
	_, err := f.hello(context.Background(), "fail", "")
	wantError(t, "hidden text", err, aster.Unknown, "internal error; call id ")
	_, err = f.hello(context.Background(), "fail", "wrapped")
	wantError(t, "chosen text", err, aster.Status(250), "number 250")
}

func TestUnknownServicesAndMethods(t *testing.T) {
	f := setUp(t)
	other, err := f.client.Bind(aster.NewService("Other", 7, aster.Unary[helloRequest, helloReply]("sayHello", nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = aster.Call[helloRequest, helloReply](context.Background(), other, "sayHello", helloRequest{})
	wantError(t, "service", err, aster.ErrNotFound, "service 'Other' v7 not offered by producer (got: [('Hello', 1)])")
	more, err := f.client.Bind(aster.NewService("Hello", 1, aster.Unary[helloRequest, helloReply]("missing", nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = aster.Call[helloRequest, helloReply](context.Background(), more, "missing", helloRequest{})
	wantError(t, "method", err, aster.Unimplemented, "missing")
	if _, err := f.hello(context.Background(), "sayHello", ""); err != nil {
		t.Error("the connection stays usable:", err)
	}
}

func TestContexts(t *testing.T) {
	f := setUp(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-f.started
		cancel()
	}()
	_, err := f.hello(ctx, "wait", "")
	wantError(t, "cancel", err, context.Canceled, "")
	wantError(t, "cancel", err, aster.Cancelled, "")
	if reason := <-f.stopped; reason != context.Canceled {
		t.Error("the handler saw", reason)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = f.hello(ctx, "wait", "")
	wantError(t, "deadline", err, context.DeadlineExceeded, "")
	wantError(t, "deadline", err, aster.DeadlineExceeded, "")
	_, err = f.hello(ctx, "sayHello", "")
	wantError(t, "after the deadline", err, aster.DeadlineExceeded, "")
	wantError(t, "after the deadline", err, context.DeadlineExceeded, "")
	_, err = f.hello(context.Background(), "wait", "", aster.WithTimeout(50*time.Millisecond))
	wantError(t, "timeout", err, aster.DeadlineExceeded, "")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = f.hello(canceled, "sayHello", "")
	wantError(t, "cancelled before", err, context.Canceled, "")
	_, err = aster.Connect(canceled, f.server.Address(), loopback)
	wantError(t, "connect", err, context.Canceled, "")
}

func TestManyCalls(t *testing.T) {
	f := setUp(t)
	var group sync.WaitGroup
	failures := make(chan error, 1000)
	for i := 0; i < 1000; i++ {
		group.Add(1)
		go func(name string) {
			defer group.Done()
			reply, err := f.hello(context.Background(), "sayHello", name)
			if err == nil && reply.Message != "Hello, "+name+"!" {
				err = errors.New("wrong answer " + reply.Message)
			}
			if err != nil {
				failures <- err
			}
		}(fmt.Sprint(i))
	}
	group.Wait()
	close(failures)
	for err := range failures {
		t.Fatal(err)
	}
}

func TestClosing(t *testing.T) {
	f := setUp(t)
	done := make(chan error, 1)
	go func() {
		_, err := f.hello(context.Background(), "wait", "")
		done <- err
	}()
	<-f.started
	drained, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = f.server.Drain(drained)
	wantError(t, "drained", <-done, aster.Unavailable, "")
	<-f.stopped
	for i := 0; i < 2; i++ {
		if err := f.client.Close(); err != nil {
			t.Error(err)
		}
		if err := f.server.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := f.hello(context.Background(), "sayHello", "")
	wantError(t, "closed client", err, aster.ErrClosed, "closed")
	wantError(t, "closed server", f.server.Start(context.Background()), aster.ErrClosed, "closed")
	if f.server.Address() != "" {
		t.Error("an address after the end")
	}
}

func TestServe(t *testing.T) {
	server, err := aster.NewServer(aster.WithServices(service(nil, nil)), loopback)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := server.Serve(ctx); err != nil {
		t.Error(err)
	}
}

func TestDeadAddress(t *testing.T) {
	f := setUp(t)
	dead := f.server.Address()
	if err := f.server.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := aster.Connect(context.Background(), dead, loopback, aster.WithConnectTimeout(300*time.Millisecond))
	wantError(t, "dead address", err, aster.ErrConnect, "could not reach")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = aster.Connect(ctx, dead, loopback)
	wantError(t, "deadline of connect", err, context.DeadlineExceeded, "")
	if time.Since(began) > 10*time.Second {
		t.Error("connect took", time.Since(began))
	}
}

type untagged struct{ Name string }

type unnamed struct{ Name string }

func (unnamed) AsterTag() string { return "go/Unnamed" }

type channel struct {
	Pipe chan int `aster:"pipe"`
}

func (channel) AsterTag() string { return "go/Channel" }

type endless []endless

type loop struct {
	Loop endless `aster:"loop"`
}

func (loop) AsterTag() string { return "go/Loop" }

func TestUnsupportedTypes(t *testing.T) {
	describe := func(method aster.Method) error {
		_, err := aster.NewService("Bad", 1, method).ContractID()
		return err
	}
	wantError(t, "no tag", describe(aster.Unary[untagged, helloReply]("m", nil)), aster.ErrContract, "AsterTag")
	wantError(t, "no field tag", describe(aster.Unary[unnamed, helloReply]("m", nil)), aster.ErrContract, "unnamed.Name")
	wantError(t, "channel", describe(aster.Unary[helloRequest, channel]("m", nil)), aster.ErrContract, "channel.Pipe")
	wantError(t, "loop", describe(aster.Unary[loop, loop]("m", nil)), aster.ErrContract, "contains itself")
	wantError(t, "interface", describe(aster.Unary[any, helloReply]("m", nil)), aster.ErrContract, "interface")
	_, err := aster.NewServer(loopback)
	wantError(t, "no services", err, aster.ErrInvalidArgument, "at least one service")
	_, err = aster.NewServer(loopback, aster.WithServices(aster.NewService("S", 1, aster.Unary[helloRequest, helloReply]("m", nil))))
	wantError(t, "no handler", err, aster.ErrInvalidArgument, "S.m has no handler")
	_, err = aster.NewServer(aster.Config{"relay_modus": 1}, aster.WithServices(service(nil, nil)))
	wantError(t, "configuration", err, aster.ErrConfig, "relay_modus")
}
