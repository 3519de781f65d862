package aster

// #include "glue.h"
import "C"

import (
	"encoding/hex"
	"encoding/json"
	"time"
	"unsafe"
)

// Seed is the secret half of a key: of the root key of a deployment, or of a node. It is not shown when printed.
type Seed [32]byte

// String hides the seed.
func (Seed) String() string { return "****" }

// GoString hides the seed.
func (Seed) GoString() string { return "aster.Seed{****}" }

// PublicKey is the public half of a key: what a deployment trusts, or the endpoint id of a node.
type PublicKey [32]byte

// String returns 64 hex digits, as settings and credentials have them.
func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// GenerateKeypair makes a fresh key.
func GenerateKeypair() (Seed, PublicKey, error) {
	return keysOf(C.glue_keypair_generate())
}

// Public returns the public half.
func (s Seed) Public() (PublicKey, error) {
	_, public, err := keysOf(C.glue_keypair_public(native(s)))
	return public, err
}

// WriteRootKey writes a file with a root key: private from the start, whole or not at all. A file that is there is kept:
// ErrAlreadyExists.
func WriteRootKey(path string, seed Seed) error {
	var s scratch
	defer s.free()
	return check(C.glue_keypair_write(s.text(path), native(seed)))
}

// ReadRootKey reads a file with a root key. ErrIO without one, ErrCredential for a file that holds none.
func ReadRootKey(path string) (Seed, error) {
	var s scratch
	defer s.free()
	seed, _, err := keysOf(C.glue_keypair_read(s.text(path)))
	return seed, err
}

func native(key [32]byte) C.glue_key_t { return *(*C.glue_key_t)(unsafe.Pointer(&key)) }

func keysOf(keys C.glue_keys_t) (Seed, PublicKey, error) {
	if err := check(C.glue_result_t{error: keys.error}); err != nil {
		return Seed{}, PublicKey{}, err
	}
	return *(*Seed)(unsafe.Pointer(&keys.seed)), *(*PublicKey)(unsafe.Pointer(&keys.public_key)), nil
}

// Credential is what a root key says of a node: who it is, until when, and what it may do.
type Credential struct {
	// Type is "policy", "ott" for a token that is used once, or "producer".
	Type string
	// EndpointID is the node that it is bound to; "": whoever holds a policy or a token is admitted.
	EndpointID string
	// ExpiresAt is the first second in which it is no longer valid.
	ExpiresAt time.Time
	// Attributes are what handlers see; "aster.role" holds capabilities between commas, "aster.name" a name.
	Attributes map[string]string
}

// SignCredential signs a credential with a root key and returns the document that is presented. A token gets its nonce
// here. ErrCredential if no server would take it.
func SignCredential(credential Credential, root Seed) (string, error) {
	draft := map[string]any{
		"credential_type": credential.Type,
		"expires_at":      credential.ExpiresAt.Unix(),
		"attributes":      notNil(credential.Attributes),
	}
	if credential.EndpointID != "" {
		draft["endpoint_id"] = credential.EndpointID
	}
	text, err := json.Marshal(draft)
	if err != nil {
		return "", &Error{Code: ErrCredential, Status: noStatus, Message: err.Error(), cause: err}
	}
	var s scratch
	defer s.free()
	result := C.glue_credential_sign(s.json(text), native(root))
	if err := check(result); err != nil {
		return "", err
	}
	return string(goBytes(result.bytes)), nil
}

func notNil(pairs map[string]string) map[string]string {
	if pairs == nil {
		return map[string]string{}
	}
	return pairs
}

// Against says what a credential is compared with.
type Against struct {
	// Root is the root key that is trusted; nil: the credential's own, which proves only that it is whole.
	Root *PublicKey
	// EndpointID is the node that presents it; "": not compared.
	EndpointID string
	// At is the time; zero: now.
	At time.Time
}

// Verdict says whether a credential is valid.
type Verdict struct {
	Valid bool `json:"valid"`
	// Reason is empty if it is valid.
	Reason string `json:"reason"`
	// Pinned says whether a root key was given.
	Pinned bool `json:"pinned"`
	// Attributes are what a valid credential grants.
	Attributes map[string]string `json:"attributes"`
}

// VerifyCredential checks a credential without network: structure, root key, expiry, binding, signature. Tokens are not
// spent, instance identities and revocations not looked at. ErrCredential for what is no credential at all.
func VerifyCredential(document string, against Against) (Verdict, error) {
	var verdict Verdict
	var root PublicKey
	pinned := C.int(0)
	if against.Root != nil {
		root, pinned = *against.Root, 1
	}
	var s scratch
	defer s.free()
	result := C.glue_credential_verify(
		s.text(document), pinned, native(root), s.optional(against.EndpointID), seconds(against.At))
	if err := check(result); err != nil {
		return verdict, err
	}
	return verdict, parse(goBytes(result.bytes), &verdict)
}

// parse reads JSON of the library.
func parse(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return &Error{Code: ErrInternal, Status: noStatus, Message: err.Error(), cause: err}
	}
	return nil
}

// seconds returns the time since 1970; 0 for no time, and what the library refuses for one before.
func seconds(at time.Time) C.int64_t {
	if at.IsZero() {
		return 0
	}
	if since := at.Unix(); since > 0 {
		return C.int64_t(since)
	}
	return -1
}
