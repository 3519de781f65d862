package aster

// #include "glue.h"
import "C"

import "encoding/json"

// Config holds settings by name, which beat every other source. It is an option of clients and of servers.
type Config map[string]any

// Option is a setting of clients and of servers.
type Option interface {
	ClientOption
	ServerOption
}

// sources say where settings come from, beside the environment.
type sources struct {
	config         Config
	file, identity *string
	peer           string
}

type sourceOption func(*sources)

func (o sourceOption) applyClient(s *clientSettings) { o(&s.sources) }
func (o sourceOption) applyServer(s *serverSettings) { o(&s.sources) }

func (c Config) applyClient(s *clientSettings) { s.config = c }
func (c Config) applyServer(s *serverSettings) { s.config = c }

// WithConfigFile reads settings from a TOML file, which the environment beats.
func WithConfigFile(path string) Option {
	return sourceOption(func(s *sources) { s.file = &path })
}

// WithIdentity takes node key, root key and credential from an identity file, which beats the environment: of the entry
// with that name, or if it is "" of the first producer for a server and of the first consumer for a client. Without it
// .aster-identity in the working directory counts, if it is there; an empty path means none.
func WithIdentity(path, peer string) Option {
	return sourceOption(func(s *sources) { s.identity, s.peer = &path, peer })
}

// load makes a configuration of the environment and the sources; the caller frees it.
func (s *sources) load() (*C.aster_config_t, error) {
	var memory scratch
	defer memory.free()
	from := C.glue_sources_t{peer: memory.optional(s.peer)}
	if s.file != nil {
		from.toml = memory.text(*s.file)
	}
	if s.identity != nil {
		from.identity = memory.text(*s.identity)
	}
	if len(s.config) > 0 {
		text, err := json.Marshal(s.config)
		if err != nil {
			return nil, &Error{Code: ErrConfig, Status: noStatus, Message: err.Error(), cause: err}
		}
		from.fields = memory.json(text)
	}
	result := C.glue_config_load(from)
	return (*C.aster_config_t)(result.handle), check(result)
}
