package aster

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// ServerOption is a setting of NewServer.
type ServerOption interface{ applyServer(*serverSettings) }

type serverSettings struct {
	sources
	services []*ServiceDesc
}

type serverOption func(*serverSettings)

func (o serverOption) applyServer(s *serverSettings) { o(s) }

// WithServices adds services to a server.
func WithServices(services ...*ServiceDesc) ServerOption {
	return serverOption(func(s *serverSettings) { s.services = append(s.services, services...) })
}

// Server serves services on one endpoint. Close it.
type Server struct {
	engine   *engine
	services []*hosted

	// Held while the handle is used, and alone while it is released.
	mu     sync.RWMutex
	handle *C.aster_server_t
}

// hosted takes the calls of one service.
type hosted struct {
	engine      *engine
	description *ServiceDesc
	contract    *contract
	report      C.glue_report_t
}

// CallInfo is what a handler may know of its call.
type CallInfo struct {
	// Service, Version and Method say what was called; CallID is the caller's id of the call.
	Service string
	Version int
	Method  string
	CallID  string
	// Peer is the endpoint id of the caller, 64 hex digits.
	Peer string
	// Attributes were granted at admission.
	Attributes map[string]string
	// Metadata is what the caller sent along.
	Metadata map[string]string
	// Deadline is zero if there is none.
	Deadline time.Time
}

type callKey struct{}

// CallFrom returns the call that a handler answers; nil outside of one.
func CallFrom(ctx context.Context) *CallInfo {
	info, _ := ctx.Value(callKey{}).(*CallInfo)
	return info
}

// NewServer makes a server of services. ASTER_* variables configure the node; a Config beats them.
func NewServer(options ...ServerOption) (*Server, error) {
	var settings serverSettings
	for _, option := range options {
		option.applyServer(&settings)
	}
	if len(settings.services) == 0 {
		return nil, invalid("a server requires at least one service")
	}
	e, err := start()
	if err != nil {
		return nil, err
	}
	config, err := settings.load()
	if err != nil {
		return nil, err
	}
	defer C.aster_config_free(config)
	made := C.glue_server_new(e.runtime, config)
	if err := check(made); err != nil {
		return nil, err
	}
	server := &Server{engine: e, handle: (*C.aster_server_t)(made.handle)}
	for _, description := range settings.services {
		if err := server.register(description); err != nil {
			server.release()
			return nil, err
		}
	}
	runtime.SetFinalizer(server, (*Server).release)
	return server, nil
}

func (s *Server) register(description *ServiceDesc) error {
	contract, err := description.contract()
	if err != nil {
		return err
	}
	for i := range description.methods {
		if description.methods[i].handler == nil {
			return invalid("method %s.%s has no handler", description.name, description.methods[i].name)
		}
	}
	service := &hosted{engine: s.engine, description: description, contract: contract}
	service.report = s.engine.enroll(service)
	s.services = append(s.services, service)
	return check(C.glue_server_register(s.handle, contract.handle, service.report))
}

// release frees the handle; the routing of services ends with it.
func (s *Server) release() {
	C.aster_server_free(s.handle)
	s.handle = nil
	for _, service := range s.services {
		s.engine.dismiss(service.report)
	}
}

// use runs work on the handle while it is alive.
func (s *Server) use(work func(*C.aster_server_t) C.glue_result_t) (C.glue_result_t, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.handle == nil {
		return C.glue_result_t{}, &Error{Code: ErrClosed, Status: noStatus, Message: "server is closed"}
	}
	result := work(s.handle)
	return result, check(result)
}

// Start binds the endpoint and serves.
func (s *Server) Start(ctx context.Context) error {
	return s.run(ctx, func(server *C.aster_server_t, report C.glue_report_t) C.glue_result_t {
		return C.glue_server_start(server, report)
	})
}

// Serve starts the server if need be, serves until the context ends, and closes.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}

// Address returns the aster1 ticket, current when read; "" before the start and after Close.
func (s *Server) Address() string {
	result, err := s.use(func(server *C.aster_server_t) C.glue_result_t { return C.glue_server_address(server) })
	if err != nil {
		return ""
	}
	return string(goBytes(result.bytes))
}

// Drain refuses new calls and waits until the running ones have ended; at the deadline of the context, or after the
// default grace, the rest is cancelled.
func (s *Server) Drain(ctx context.Context) error {
	var grace C.int64_t
	if deadline, ok := ctx.Deadline(); ok {
		grace = 1
		if left := time.Until(deadline); left > 0 {
			grace = milliseconds(left)
		}
	}
	return s.run(ctx, func(server *C.aster_server_t, report C.glue_report_t) C.glue_result_t {
		return C.glue_server_drain(server, grace, report)
	})
}

// Close ends every call and releases the endpoint. Idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		return nil
	}
	_, err := s.engine.run(context.Background(), func(report C.glue_report_t) C.glue_result_t {
		return C.glue_server_close(s.handle, report)
	})
	s.release()
	return err
}

func (s *Server) run(
	ctx context.Context, submit func(*C.aster_server_t, C.glue_report_t) C.glue_result_t,
) error {
	s.mu.RLock()
	closed := s.handle == nil
	s.mu.RUnlock()
	if closed {
		return &Error{Code: ErrClosed, Status: noStatus, Message: "server is closed"}
	}
	_, err := s.engine.run(ctx, func(report C.glue_report_t) C.glue_result_t {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return submit(s.handle, report)
	})
	return err
}

// take starts the handler of a call.
func (h *hosted) take(event *C.aster_event_t) {
	if event.kind != C.ASTER_EVENT_CALL_STARTED {
		return
	}
	info := C.glue_incoming_info(event.incoming)
	call := &handling{hosted: h, incoming: event.incoming}
	if int(info.method_index) < len(h.description.methods) {
		call.method = &h.description.methods[info.method_index]
	}
	ctx := context.WithValue(context.Background(), callKey{}, readInfo(&info, h.description.version))
	if info.remaining_ms >= 0 {
		deadline := time.Now().Add(time.Duration(info.remaining_ms) * time.Millisecond)
		ctx.Value(callKey{}).(*CallInfo).Deadline = deadline
		ctx, call.release = context.WithDeadline(ctx, deadline)
		ctx, call.cancel = context.WithCancel(ctx)
	} else {
		ctx, call.cancel = context.WithCancel(ctx)
	}
	call.report = h.engine.enroll(call)
	_ = check(C.glue_incoming_set_tag(call.incoming, call.report.tag))
	request := C.GoBytes(unsafe.Pointer(event.data), C.int(event.data_len))
	go call.run(ctx, request)
}

func readInfo(info *C.aster_incoming_info_t, version int) *CallInfo {
	return &CallInfo{
		Service:    goText(info.service),
		Version:    version,
		Method:     goText(info.method),
		CallID:     goText(info.call_id),
		Peer:       goText(info.peer_id),
		Attributes: goPairs(info.attributes, info.attributes_len),
		Metadata:   goPairs(info.metadata, info.metadata_len),
	}
}

// handling is one call and its handler.
type handling struct {
	hosted   *hosted
	method   *Method
	incoming *C.aster_incoming_t
	report   C.glue_report_t
	cancel   context.CancelFunc
	release  context.CancelFunc
}

// take tells the handler to stop.
func (c *handling) take(event *C.aster_event_t) {
	if event.kind == C.ASTER_EVENT_CANCELLED {
		c.cancel()
	}
}

func (c *handling) run(ctx context.Context, request []byte) {
	defer func() {
		C.aster_incoming_free(c.incoming)
		c.hosted.engine.dismiss(c.report)
		c.cancel()
		if c.release != nil {
			c.release()
		}
	}()
	response, err := c.handle(ctx, request)
	var s scratch
	defer s.free()
	if err == nil {
		// A response that does not fit is answered by the library.
		_ = check(C.glue_incoming_reply(c.incoming, s.json(response)))
		return
	}
	var failure *Error
	var status Status
	switch {
	case errors.As(err, &failure) && failure.Status > OK:
		details, n := s.pairs(failure.Details)
		result := C.glue_incoming_finish(c.incoming, C.int32_t(failure.Status), s.text(failure.Message), details, n)
		_ = check(result)
	case errors.As(err, &status) && status > OK:
		_ = check(C.glue_incoming_finish(c.incoming, C.int32_t(status), s.text(status.String()), nil, 0))
	case errors.Is(err, context.DeadlineExceeded):
		_ = check(C.glue_incoming_finish(c.incoming, C.int32_t(DeadlineExceeded), s.text("deadline exceeded"), nil, 0))
	case errors.Is(err, context.Canceled):
		_ = check(C.glue_incoming_finish(c.incoming, C.int32_t(Cancelled), s.text("cancelled"), nil, 0))
	default:
		_ = check(C.glue_incoming_fail(c.incoming, s.text(err.Error())))
	}
}

// handle runs the handler; a panic is a failure.
func (c *handling) handle(ctx context.Context, request []byte) (response []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	if c.method == nil {
		return nil, Unimplemented
	}
	return c.method.handler(ctx, request)
}
