package aster

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"time"
	"unsafe"
)

// Service is a service of a connected server.
type Service struct {
	client      *Client
	description *ServiceDesc
	contract    *contract
}

// CallOption is a setting of one call.
type CallOption func(*callSettings)

type callSettings struct {
	metadata map[string]string
	timeout  time.Duration
	mode     C.int32_t
}

// WithMetadata sends key-value pairs with the call.
func WithMetadata(pairs map[string]string) CallOption {
	return func(s *callSettings) { s.metadata = pairs }
}

// WithTimeout limits the call; an earlier deadline of the context counts.
func WithTimeout(timeout time.Duration) CallOption {
	return func(s *callSettings) { s.timeout = timeout }
}

// WithJSON sends the bodies of the call as JSON.
func WithJSON() CallOption {
	return func(s *callSettings) { s.mode = C.ASTER_MODE_JSON }
}

// pending takes the terminal event of a call.
type pending struct{ done chan outcome }

type outcome struct {
	data []byte
	err  error
}

func (p pending) take(event *C.aster_event_t) {
	switch event.kind {
	case C.ASTER_EVENT_RESPONSE:
		p.done <- outcome{data: C.GoBytes(unsafe.Pointer(event.data), C.int(event.data_len))}
	case C.ASTER_EVENT_FINISHED:
		p.done <- outcome{err: goError(event.error)}
	}
}

// Call makes a unary call and waits for its response.
//
// The deadline of the context is that of the call; the end of the context cancels it, here and at the server. Errors
// are *Error and match their Status and Code, and the end of the context, with errors.Is.
func Call[Q, R any](ctx context.Context, s *Service, method string, request Q, options ...CallOption) (R, error) {
	var response R
	called, err := s.method(method, reflect.TypeOf(&request).Elem(), reflect.TypeOf(&response).Elem())
	if err != nil {
		return response, err
	}
	text, err := called.request.encode(reflect.ValueOf(&request).Elem())
	if err != nil {
		return response, err
	}
	text, err = s.call(ctx, called.name, text, options)
	if err != nil {
		return response, err
	}
	return response, called.response.decode(text, reflect.ValueOf(&response).Elem())
}

// method finds a method and compares its types with those of the call.
func (s *Service) method(name string, request, response reflect.Type) (*Method, error) {
	for i := range s.description.methods {
		method := &s.description.methods[i]
		if method.name != name {
			continue
		}
		if method.request.typ != request || method.response.typ != response {
			return nil, invalid("%s.%s takes %s and gives %s, not %s and %s", s.description.name, name,
				method.request.typ, method.response.typ, request, response)
		}
		return method, nil
	}
	message := "service '" + s.description.name + "' has no method '" + name + "'"
	return nil, &Error{Code: ErrNotFound, Status: noStatus, Message: message}
}

// call sends JSON text and returns that of the response.
func (s *Service) call(ctx context.Context, method string, request []byte, options []CallOption) ([]byte, error) {
	var settings callSettings
	for _, option := range options {
		option(&settings)
	}
	timeout, err := settings.remaining(ctx)
	if err != nil {
		return nil, becauseOf(ctx, err)
	}
	if s.client.isClosed() {
		return nil, &Error{Code: ErrClosed, Status: noStatus, Message: "client is closed"}
	}
	waiting := pending{make(chan outcome, 1)}
	engine := s.client.engine
	report := engine.enroll(waiting)
	defer engine.dismiss(report)
	result := s.client.use(func(client *C.aster_client_t) C.glue_result_t {
		var memory scratch
		defer memory.free()
		metadata, n := memory.pairs(settings.metadata)
		return C.glue_call_start(client, C.glue_call_t{
			contract:     s.contract.handle,
			method:       memory.text(method),
			json:         memory.json(request),
			timeout_ms:   timeout,
			mode:         settings.mode,
			metadata:     metadata,
			metadata_len: n,
		}, report)
	})
	runtime.KeepAlive(s)
	if err := check(result); err != nil {
		return nil, err
	}
	call := (*C.aster_call_t)(result.handle)
	defer C.aster_call_free(call)
	ended := waiting.wait(ctx, call)
	return ended.data, becauseOf(ctx, ended.err)
}

// wait returns the end of the call, which the end of the context brings about.
func (p pending) wait(ctx context.Context, call *C.aster_call_t) outcome {
	select {
	case ended := <-p.done:
		return ended
	case <-ctx.Done():
	}
	if _, bounded := ctx.Deadline(); !bounded || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		C.aster_call_cancel(call)
	}
	// A deadline is the call's own too, and ends it with its own status.
	return <-p.done
}

// remaining returns the milliseconds that the call may take; 0 is the default of the method.
func (s *callSettings) remaining(ctx context.Context) (C.int64_t, error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return 0, &Error{Code: ErrRPC, Status: Cancelled, Message: "cancelled"}
	}
	timeout := s.timeout
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return 0, &Error{Code: ErrRPC, Status: DeadlineExceeded, Message: "deadline exceeded"}
		}
		if timeout == 0 || left < timeout {
			timeout = left
		}
	}
	return milliseconds(timeout), nil
}
