package aster

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"reflect"
	"runtime"
	"sync"
	"time"
)

// ServiceDesc describes a service: name, version, methods, and the types they use.
type ServiceDesc struct {
	name     string
	version  int
	methods  []Method
	requires any
	public   bool

	once   sync.Once
	parsed *contract
	err    error
}

// Method is one method of a ServiceDesc, made by Unary.
type Method struct {
	name              string
	request, response *shape
	handler           func(context.Context, []byte) ([]byte, error)
	settings          map[string]any
	err               error
}

// MethodOption is a setting of a method.
type MethodOption func(map[string]any)

// Timeout is the deadline of calls that give none.
func Timeout(timeout time.Duration) MethodOption {
	return func(settings map[string]any) { settings["timeout_s"] = timeout.Seconds() }
}

// Idempotent says that calls may be repeated.
func Idempotent() MethodOption {
	return func(settings map[string]any) { settings["idempotent"] = true }
}

// Requires demands a role, or what AnyOf or AllOf give, of the callers of a method.
func Requires(role any) MethodOption {
	return func(settings map[string]any) { settings["requires"] = role }
}

// AnyOf demands one of several roles.
func AnyOf(roles ...string) any { return map[string]any{"any_of": roles} }

// AllOf demands several roles.
func AllOf(roles ...string) any { return map[string]any{"all_of": roles} }

// Unary describes a method with one request and one response. Clients may leave the handler nil.
//
// Handlers run in goroutines of their own. A returned *Error or Status ends the call with that status, the error of a
// context with its status; any other error, and a panic, with Unknown, whose text reaches the caller only if the server
// exposes errors.
func Unary[Q, R any](name string, handler func(context.Context, Q) (R, error), options ...MethodOption) Method {
	method := Method{name: name, settings: map[string]any{}}
	var request Q
	var response R
	method.request, method.err = shapeOf(reflect.TypeOf(&request).Elem())
	if method.err == nil {
		method.response, method.err = shapeOf(reflect.TypeOf(&response).Elem())
	}
	for _, option := range options {
		option(method.settings)
	}
	if handler == nil || method.err != nil {
		return method
	}
	method.handler = func(ctx context.Context, text []byte) ([]byte, error) {
		var request Q
		if err := method.request.decode(text, reflect.ValueOf(&request).Elem()); err != nil {
			return nil, err
		}
		response, err := handler(ctx, request)
		if err != nil {
			return nil, err
		}
		return method.response.encode(reflect.ValueOf(&response).Elem())
	}
	return method
}

// NewService describes a service. What is wrong with it is told by ContractID, Bind and NewServer.
func NewService(name string, version int, methods ...Method) *ServiceDesc {
	return &ServiceDesc{name: name, version: version, methods: methods}
}

// Requires demands a role, or what AnyOf or AllOf give, of every caller. Before the first use.
func (d *ServiceDesc) Requires(role any) *ServiceDesc {
	d.requires = role
	return d
}

// Public says that the service may be used without a credential where the server has both. Before the first use.
func (d *ServiceDesc) Public() *ServiceDesc {
	d.public = true
	return d
}

// ContractID returns the id of the service, 64 hex digits: the same in every language.
func (d *ServiceDesc) ContractID() (string, error) {
	contract, err := d.contract()
	if err != nil {
		return "", err
	}
	id := goText(C.aster_contract_id(contract.handle))
	runtime.KeepAlive(contract)
	return id, nil
}

// Manifest returns the contract as a document, JSON text: all that its id stands for, with defaults.
func (d *ServiceDesc) Manifest() ([]byte, error) {
	contract, err := d.contract()
	if err != nil {
		return nil, err
	}
	result := C.glue_contract_manifest(contract.handle)
	runtime.KeepAlive(contract)
	if err := check(result); err != nil {
		return nil, err
	}
	return goBytes(result.bytes), nil
}

// contract is a checked description.
type contract struct{ handle *C.aster_contract_t }

func (d *ServiceDesc) contract() (*contract, error) {
	d.once.Do(func() { d.parsed, d.err = d.parse() })
	return d.parsed, d.err
}

func (d *ServiceDesc) parse() (*contract, error) {
	text, err := d.describe()
	if err != nil {
		return nil, err
	}
	var s scratch
	defer s.free()
	result := C.glue_contract_parse(s.json(text))
	if err := check(result); err != nil {
		return nil, err
	}
	parsed := &contract{(*C.aster_contract_t)(result.handle)}
	runtime.SetFinalizer(parsed, func(c *contract) { C.aster_contract_free(c.handle) })
	return parsed, nil
}

// describe writes the description as JSON.
func (d *ServiceDesc) describe() ([]byte, error) {
	types := map[string]any{}
	methods := make([]any, 0, len(d.methods))
	for i := range d.methods {
		method := &d.methods[i]
		if method.err != nil {
			return nil, method.err
		}
		for _, shape := range []*shape{method.request, method.response} {
			if err := shape.declare(types); err != nil {
				return nil, err
			}
		}
		described := map[string]any{
			"name": method.name, "pattern": "unary", "request": method.request.text, "response": method.response.text,
		}
		for key, value := range method.settings {
			described[key] = value
		}
		methods = append(methods, described)
	}
	description := map[string]any{"service": d.name, "version": d.version, "types": types, "methods": methods}
	if d.requires != nil {
		description["requires"] = d.requires
	}
	if d.public {
		description["public"] = true
	}
	text, err := json.Marshal(description)
	if err != nil {
		return nil, &Error{Code: ErrContract, Status: noStatus, Message: err.Error(), cause: err}
	}
	return text, nil
}
