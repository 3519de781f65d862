package aster

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"unsafe"
)

// batch is how many events are taken at once.
const batch = 256

// engine is the library's threads and the one queue of the program, drained by one goroutine that routes by tag.
type engine struct {
	runtime *C.aster_runtime_t
	queue   *C.aster_cq_t

	mu    sync.Mutex
	next  uint64
	sinks map[uint64]sink
}

// sink takes the events of one tag, on the draining goroutine: it must not block. What an event points to is borrowed.
type sink interface{ take(event *C.aster_event_t) }

var shared struct {
	once   sync.Once
	engine *engine
	err    error
}

// start returns the engine of the program, made at the first use.
func start() (*engine, error) {
	shared.once.Do(func() { shared.engine, shared.err = newEngine() })
	return shared.engine, shared.err
}

func newEngine() (*engine, error) {
	if C.aster_check_abi() == 0 {
		message := "libaster " + goText(C.aster_version()) + " does not fit the header this program was built with"
		return nil, &Error{Code: ErrUnsupported, Status: noStatus, Message: message}
	}
	made := C.glue_runtime_new()
	if err := check(made); err != nil {
		return nil, err
	}
	e := &engine{runtime: (*C.aster_runtime_t)(made.handle), sinks: map[uint64]sink{}}
	made = C.glue_queue_new(e.runtime)
	if err := check(made); err != nil {
		C.aster_runtime_free(e.runtime)
		return nil, err
	}
	e.queue = (*C.aster_cq_t)(made.handle)
	go e.drain()
	return e, nil
}

func (e *engine) drain() {
	runtime.LockOSThread()
	block := (*C.aster_event_t)(C.calloc(batch, C.sizeof_aster_event_t))
	defer C.free(unsafe.Pointer(block))
	events := unsafe.Slice(block, batch)
	for {
		n := C.aster_cq_next(e.queue, block, batch, -1)
		if n < 0 {
			return
		}
		for i := range events[:n] {
			if sink := e.sink(uint64(events[i].tag)); sink != nil {
				sink.take(&events[i])
			}
		}
	}
}

func (e *engine) sink(tag uint64) sink {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sinks[tag]
}

// enroll gives a sink its tag. Tags are never used twice.
func (e *engine) enroll(s sink) C.glue_report_t {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	e.sinks[e.next] = s
	return C.glue_report_t{queue: e.queue, tag: C.uint64_t(e.next)}
}

// dismiss ends the routing to a sink.
func (e *engine) dismiss(report C.glue_report_t) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sinks, uint64(report.tag))
}

// operation waits for an OP_DONE.
type operation struct{ done chan error }

func (o operation) take(event *C.aster_event_t) {
	if event.kind == C.ASTER_EVENT_OP_DONE {
		o.done <- goError(event.error)
	}
}

// run submits an operation and waits for its end. A context that ends first cancels it, if it has a handle.
func (e *engine) run(ctx context.Context, submit func(C.glue_report_t) C.glue_result_t) (*C.aster_op_t, error) {
	if err := ctx.Err(); err != nil {
		return nil, becauseOf(ctx, &Error{Code: ErrCancelled, Status: noStatus, Message: "the context has ended"})
	}
	done := operation{make(chan error, 1)}
	report := e.enroll(done)
	defer e.dismiss(report)
	result := submit(report)
	if err := check(result); err != nil {
		return nil, err
	}
	op := (*C.aster_op_t)(result.handle)
	var err error
	select {
	case err = <-done.done:
	case <-ctx.Done():
		if op == nil {
			// Closing goes on without us.
			return nil, becauseOf(ctx, &Error{Code: ErrTimeout, Status: noStatus, Message: "not done yet"})
		}
		C.aster_op_cancel(op)
		err = <-done.done
	}
	if err != nil && op != nil {
		C.aster_op_free(op)
		op = nil
	}
	return op, becauseOf(ctx, err)
}
