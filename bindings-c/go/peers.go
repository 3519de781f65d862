package aster

// #include "glue.h"
import "C"

import (
	"encoding/json"
	"time"
)

// Peer is a peer that a server has admitted.
type Peer struct {
	EndpointID string
	Attributes map[string]string
	AdmittedAt time.Time
	ExpiresAt  time.Time
	// Path is how: "consumer", "producer", "mesh", "delegated" or "manual".
	Path string
	// Service is the only service that it may call, "" for all.
	Service string
}

// AdmitPeer admits a node without a credential until a time, and at the latest for the configured one (peer_ttl_s); zero:
// for that. What the node had is replaced.
func (s *Server) AdmitPeer(endpointID string, attributes map[string]string, expiresAt time.Time) error {
	text, err := json.Marshal(notNil(attributes))
	if err != nil {
		return &Error{Code: ErrInvalidArgument, Status: noStatus, Message: err.Error(), cause: err}
	}
	var memory scratch
	defer memory.free()
	_, err = s.use(func(server *C.aster_server_t) C.glue_result_t {
		return C.glue_peer_admit(server, memory.text(endpointID), memory.json(text), seconds(expiresAt))
	})
	return err
}

// RemovePeer ends the admission of a node: its connections are closed and its calls cancelled within a second. It may be
// admitted again. ErrNotFound if it was not admitted.
func (s *Server) RemovePeer(endpointID string) error {
	var memory scratch
	defer memory.free()
	_, err := s.use(func(server *C.aster_server_t) C.glue_result_t {
		return C.glue_peer_remove(server, memory.text(endpointID))
	})
	return err
}

// Revoke refuses a node until a time, zero for ever, and ends what it has within a second. With storage_path it is kept
// over restarts; ErrIO if that failed and it holds until the end of the server only.
func (s *Server) Revoke(endpointID string, until time.Time) error {
	return s.revoke(endpointID, "", until)
}

// RevokeCredential does the same with a credential, whoever presents it.
func (s *Server) RevokeCredential(document string, until time.Time) error {
	return s.revoke("", document, until)
}

func (s *Server) revoke(endpointID, document string, until time.Time) error {
	var memory scratch
	defer memory.free()
	_, err := s.use(func(server *C.aster_server_t) C.glue_result_t {
		return C.glue_revoke(server, memory.optional(endpointID), memory.optional(document), seconds(until))
	})
	return err
}

// Peers returns whom the server has admitted; those whom an open gate let in without a credential are not among them.
func (s *Server) Peers() ([]Peer, error) {
	result, err := s.use(func(server *C.aster_server_t) C.glue_result_t { return C.glue_peers(server) })
	if err != nil {
		return nil, err
	}
	var told []struct {
		EndpointID string            `json:"endpoint_id"`
		Attributes map[string]string `json:"attributes"`
		AdmittedAt int64             `json:"admitted_at"`
		ExpiresAt  int64             `json:"expires_at"`
		Path       string            `json:"admission_path"`
		Service    string            `json:"service"`
	}
	if err := parse(goBytes(result.bytes), &told); err != nil {
		return nil, err
	}
	peers := make([]Peer, 0, len(told))
	for _, peer := range told {
		admitted, expires := time.Unix(peer.AdmittedAt, 0), time.Unix(peer.ExpiresAt, 0)
		peers = append(peers, Peer{peer.EndpointID, peer.Attributes, admitted, expires, peer.Path, peer.Service})
	}
	return peers, nil
}
