package aster

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// ClientOption is a setting of Connect.
type ClientOption interface{ applyClient(*clientSettings) }

type clientSettings struct {
	sources
	channel, credential, credentialPath string
	timeout                             time.Duration
}

type clientOption func(*clientSettings)

func (o clientOption) applyClient(s *clientSettings) { o(s) }

// WithChannel chooses the channel of services; without it "rpc".
func WithChannel(name string) ClientOption {
	return clientOption(func(s *clientSettings) { s.channel = name })
}

// WithCredential presents a credential, JSON text such as SignCredential gives. It beats every file.
func WithCredential(document string) ClientOption {
	return clientOption(func(s *clientSettings) { s.credential = document })
}

// WithCredentialFile presents the credential in a file, or in an identity file, whose node key is then used unless there
// is another. It beats the identity and the environment.
func WithCredentialFile(path string) ClientOption {
	return clientOption(func(s *clientSettings) { s.credentialPath = path })
}

// WithConnectTimeout limits dialling and admission; without it 30 seconds. A deadline of the context counts too.
func WithConnectTimeout(timeout time.Duration) ClientOption {
	return clientOption(func(s *clientSettings) { s.timeout = timeout })
}

// ClientInfo is what the server told at admission.
type ClientInfo struct {
	// EndpointID is the client's own id, ServerID that of the server.
	EndpointID string            `json:"endpoint_id"`
	ServerID   string            `json:"server_id"`
	Services   []ServiceInfo     `json:"services"`
	OpenGate   bool              `json:"open_gate"`
	Registry   string            `json:"registry_namespace"`
	Attributes map[string]string `json:"attributes"`
}

// ServiceInfo is a service as a server announces it.
type ServiceInfo struct {
	Name       string            `json:"name"`
	Version    int               `json:"version"`
	ContractID string            `json:"contract_id"`
	Channels   map[string]string `json:"channels"`
	Pattern    string            `json:"pattern"`
	Modes      []string          `json:"serialization_modes"`
}

// Client is connected to one server. Close it.
type Client struct {
	engine *engine
	info   ClientInfo

	// Held while the handle is used, and alone while it is released.
	mu     sync.RWMutex
	handle *C.aster_client_t
}

// Connect dials the server at an address (ticket, base64 node address or endpoint id; "" for that of the
// configuration) and asks for admission. ASTER_* variables configure the node; a Config beats them. A server that refuses
// gives no reason: the error matches ErrAdmissionDenied.
func Connect(ctx context.Context, address string, options ...ClientOption) (*Client, error) {
	var settings clientSettings
	for _, option := range options {
		option.applyClient(&settings)
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
	op, err := e.run(ctx, func(report C.glue_report_t) C.glue_result_t {
		var s scratch
		defer s.free()
		return C.glue_connect(e.runtime, config, C.glue_client_t{
			address:            s.optional(address),
			channel:            s.optional(settings.channel),
			credential:         s.optional(settings.credential),
			credential_path:    s.optional(settings.credentialPath),
			connect_timeout_ms: milliseconds(settings.timeout),
		}, report)
	})
	if err != nil {
		return nil, err
	}
	defer C.aster_op_free(op)
	taken := C.glue_take_client(op)
	if err := check(taken); err != nil {
		return nil, err
	}
	client := &Client{engine: e, handle: (*C.aster_client_t)(taken.handle)}
	runtime.SetFinalizer(client, func(c *Client) { C.aster_client_free(c.handle) })
	if err := client.readInfo(); err != nil {
		return nil, err
	}
	return client, nil
}

// milliseconds rounds up, so that a short time is not none.
func milliseconds(d time.Duration) C.int64_t {
	return C.int64_t((d + time.Millisecond - 1) / time.Millisecond)
}

func (c *Client) readInfo() error {
	result := C.glue_client_info(c.handle)
	if err := check(result); err != nil {
		return err
	}
	return parse(goBytes(result.bytes), &c.info)
}

// Info returns what the server told at admission.
func (c *Client) Info() ClientInfo { return c.info }

// Bind gives access to a service of the server by its description.
func (c *Client) Bind(description *ServiceDesc) (*Service, error) {
	contract, err := description.contract()
	if err != nil {
		return nil, err
	}
	return &Service{client: c, description: description, contract: contract}, nil
}

// Close ends the calls of the client and its connection. Idempotent.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		return nil
	}
	_, err := c.engine.run(context.Background(), func(report C.glue_report_t) C.glue_result_t {
		return C.glue_client_close(c.handle, report)
	})
	C.aster_client_free(c.handle)
	c.handle = nil
	return err
}

// use runs a submission while the handle is alive.
func (c *Client) use(submit func(*C.aster_client_t) C.glue_result_t) C.glue_result_t {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return submit(c.handle)
}

func (c *Client) isClosed() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.handle == nil
}
