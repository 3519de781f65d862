package tests

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aster.invalid/aster"
)

// deployment is a root key and a server that trusts it.
type deployment struct {
	*fixture
	seed   aster.Seed
	public aster.PublicKey
}

// hour is the time in which everything expires.
func hour() time.Time { return time.Now().Add(time.Hour) }

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func newKey(t *testing.T) (aster.Seed, aster.PublicKey) {
	t.Helper()
	seed, public, err := aster.GenerateKeypair()
	if err != nil {
		t.Fatal(err)
	}
	return seed, public
}

func with(more aster.Config) aster.Config {
	config := aster.Config{}
	for _, fields := range []aster.Config{loopback, more} {
		for name, value := range fields {
			config[name] = value
		}
	}
	return config
}

// setUpGated starts a server with a closed gate, without a client.
func setUpGated(t *testing.T, options ...aster.ServerOption) *deployment {
	t.Helper()
	d := &deployment{fixture: &fixture{started: make(chan struct{}, 16), stopped: make(chan error, 16)}}
	d.seed, d.public = newKey(t)
	options = append(options, aster.WithServices(service(d.started, d.stopped)))
	if len(options) == 1 {
		options = append(options, with(aster.Config{"root_pubkey": d.public.String()}))
	}
	d.server = must[*aster.Server](t)(aster.NewServer(options...))
	t.Cleanup(func() {
		if err := d.server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.server.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *deployment) policy(t *testing.T, role, endpointID string) string {
	t.Helper()
	attributes := map[string]string{"aster.role": role}
	credential := aster.Credential{Type: "policy", EndpointID: endpointID, ExpiresAt: hour(), Attributes: attributes}
	return must[string](t)(aster.SignCredential(credential, d.seed))
}

// enter connects, and gives the fixture's calls that client.
func (d *deployment) enter(t *testing.T, options ...aster.ClientOption) {
	t.Helper()
	client := must[*aster.Client](t)(d.connect(options...))
	t.Cleanup(func() { _ = client.Close() })
	d.client = client
	d.service = must[*aster.Service](t)(client.Bind(service(nil, nil)))
}

func (d *deployment) connect(options ...aster.ClientOption) (*aster.Client, error) {
	options = append([]aster.ClientOption{loopback}, options...)
	return aster.Connect(context.Background(), d.server.Address(), options...)
}

// seenAs checks what the handler learns of its caller.
func (d *deployment) seenAs(t *testing.T, role string) {
	t.Helper()
	reply, err := d.hello(context.Background(), "role", "")
	if err != nil || reply.Message != d.client.Info().EndpointID+" "+role {
		t.Errorf("%q, %v instead of role %s", reply.Message, err, role)
	}
}

func (d *deployment) denied(t *testing.T, what string, options ...aster.ClientOption) {
	t.Helper()
	_, err := d.connect(options...)
	wantError(t, what, err, aster.ErrAdmissionDenied, "denied")
}

func TestClosedGate(t *testing.T) {
	d := setUpGated(t)
	d.denied(t, "no credential")
	stranger := &deployment{}
	stranger.seed, stranger.public = newKey(t)
	d.denied(t, "another root key", aster.WithCredential(stranger.policy(t, "ops", "")))
	d.denied(t, "another node", aster.WithCredential(d.policy(t, "ops", stranger.public.String())))
	d.enter(t, aster.WithCredential(d.policy(t, "ops", "")))
	if info := d.client.Info(); info.OpenGate || info.Attributes["aster.role"] != "ops" {
		t.Errorf("%+v", info)
	}
	d.seenAs(t, "ops")
	_, err := d.connect(aster.WithCredential(d.policy(t, "ops", "")), with(aster.Config{"root_pubkey": stranger.public.String()}))
	wantError(t, "another deployment", err, aster.ErrCredential, "")
	_, err = d.connect(aster.WithCredential("{}"))
	wantError(t, "no document", err, aster.ErrCredential, "malformed")
}

// identityFile writes an identity with a consumer's entry, and one of a producer if it is to have that.
func identityFile(t *testing.T, d *deployment, role string, producer bool) (string, aster.PublicKey) {
	t.Helper()
	node, id := newKey(t)
	text := fmt.Sprintf("[node]\nsecret_key = '%s'\n", hex.EncodeToString(node[:]))
	kind := map[bool]string{false: "consumer", true: "producer"}[producer]
	for _, name := range []string{"first", role} {
		credential := aster.Credential{EndpointID: id.String(), ExpiresAt: hour(), Attributes: map[string]string{"aster.role": name}}
		if credential.Type = "producer"; !producer {
			credential.Type = "policy"
		}
		var signed struct {
			ExpiresAt int64  `json:"expires_at"`
			Signature string `json:"signature"`
		}
		if err := json.Unmarshal([]byte(must[string](t)(aster.SignCredential(credential, d.seed))), &signed); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("[[peers]]\nname = '%s'\nrole = '%s'\nroot_pubkey = '%s'\nendpoint_id = '%s'\nexpires_at = %d\n"+
			"attributes = { 'aster.role' = '%s' }\nsignature = '%s'\n",
			name, kind, d.public, id, signed.ExpiresAt, name, signed.Signature)
	}
	path := filepath.Join(t.TempDir(), "node.id")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, id
}

func TestTR6IdentitiesAndFiles(t *testing.T) {
	d := setUpGated(t)
	path, id := identityFile(t, d, "ann", false)
	d.enter(t, aster.WithIdentity(path, ""))
	d.seenAs(t, "first")
	if d.client.Info().EndpointID != id.String() {
		t.Error("another node key")
	}
	d.enter(t, aster.WithIdentity(path, "ann"))
	d.seenAs(t, "ann")
	file := filepath.Join(t.TempDir(), "bob.cred")
	if err := os.WriteFile(file, []byte(d.policy(t, "bob", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	d.enter(t, aster.WithIdentity(path, "ann"), aster.WithCredentialFile(file))
	d.seenAs(t, "bob")
	_, err := d.connect(aster.WithIdentity(path, "nobody"))
	wantError(t, "unknown entry", err, aster.ErrConfig, "nobody")
	_, err = d.connect(aster.WithIdentity(filepath.Join(t.TempDir(), "none"), ""))
	wantError(t, "missing identity", err, aster.ErrIO, "no such file")
	_, err = d.connect(aster.WithCredentialFile(file + "x"))
	wantError(t, "missing file", err, aster.ErrIO, "no such file")
	d.denied(t, "no identity", aster.WithIdentity("", ""))
}

func TestTR6ServersOfIdentitiesAndConfigFiles(t *testing.T) {
	keys := &deployment{}
	keys.seed, keys.public = newKey(t)
	path, _ := identityFile(t, keys, "desk", true)
	toml := filepath.Join(t.TempDir(), "aster.toml")
	content := "[network]\nrelay_mode = \"disabled\"\nbind_addr = \"127.0.0.1:0\"\n[trust]\npeer_ttl_s = 60\n"
	if err := os.WriteFile(toml, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	d := setUpGated(t, aster.WithIdentity(path, "desk"), aster.WithConfigFile(toml))
	d.denied(t, "the entry closes the gate")
	d.seed = keys.seed
	d.enter(t, aster.WithCredential(d.policy(t, "ops", "")))
	peers := must[[]aster.Peer](t)(d.server.Peers())
	if len(peers) != 1 || peers[0].EndpointID != d.client.Info().EndpointID || peers[0].Path != "consumer" ||
		peers[0].Attributes["aster.role"] != "ops" || peers[0].ExpiresAt.Sub(peers[0].AdmittedAt) > time.Minute+time.Second {
		t.Errorf("%+v", peers)
	}
	_, err := aster.NewServer(aster.WithServices(service(nil, nil)), aster.WithConfigFile(toml+"x"))
	wantError(t, "missing file", err, aster.ErrIO, "no such file")
}

// waiting starts a call that ends with what is to end it.
func (d *deployment) waiting() <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := d.hello(context.Background(), "wait", "")
		done <- err
	}()
	<-d.started
	return done
}

func TestTR5RemovalEndsCalls(t *testing.T) {
	d := setUpGated(t)
	d.enter(t, aster.WithCredential(d.policy(t, "ops", "")))
	id := d.client.Info().EndpointID
	done := d.waiting()
	if err := d.server.RemovePeer(id); err != nil {
		t.Fatal(err)
	}
	wantError(t, "removed", <-done, aster.PermissionDenied, "not admitted")
	if reason := <-d.stopped; reason != context.Canceled {
		t.Error("the handler saw", reason)
	}
	wantError(t, "twice", d.server.RemovePeer(id), aster.ErrNotFound, "")
	wantError(t, "no id", d.server.RemovePeer("x"), aster.ErrAddress, "")
	d.seenAs(t, "ops") // Admitted again.
}

func TestTR5Revocation(t *testing.T) {
	d := setUpGated(t)
	credential := d.policy(t, "ops", "")
	d.enter(t, aster.WithCredential(credential))
	done := d.waiting()
	if err := d.server.RevokeCredential(credential, time.Time{}); err != nil {
		t.Fatal(err)
	}
	wantError(t, "credential", <-done, aster.PermissionDenied, "not admitted")
	<-d.stopped
	d.denied(t, "revoked", aster.WithCredential(credential))
	d.enter(t, aster.WithCredential(d.policy(t, "other", "")))
	done = d.waiting()
	id := d.client.Info().EndpointID
	wantError(t, "past", d.server.Revoke(id, time.Unix(5, 0)), aster.ErrInvalidArgument, "passed")
	wantError(t, "before 1970", d.server.Revoke(id, time.Unix(-5, 0)), aster.ErrInvalidArgument, "until")
	if err := d.server.Revoke(id, hour()); err != nil {
		t.Fatal(err)
	}
	wantError(t, "endpoint", <-done, aster.PermissionDenied, "not admitted")
	<-d.stopped
	wantError(t, "by hand", d.server.AdmitPeer(id, nil, time.Time{}), aster.ErrState, "revoked")
	wantError(t, "no credential", d.server.RevokeCredential("{}", time.Time{}), aster.ErrCredential, "")
	wantError(t, "nothing", d.server.Revoke("", time.Time{}), aster.ErrInvalidArgument, "")
}

func TestAdmissionByHand(t *testing.T) {
	d := setUpGated(t)
	node, id := newKey(t)
	own := with(aster.Config{"secret_key": hex.EncodeToString(node[:])})
	d.denied(t, "before", own)
	if err := d.server.AdmitPeer(id.String(), map[string]string{"aster.role": "hand"}, hour()); err != nil {
		t.Fatal(err)
	}
	d.enter(t, own)
	d.seenAs(t, "hand")
	if err := d.server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := d.server.Peers()
	wantError(t, "closed", err, aster.ErrClosed, "")
	wantError(t, "closed", d.server.RemovePeer(id.String()), aster.ErrClosed, "")
}

func TestKeysAndCredentials(t *testing.T) {
	seed, public := newKey(t)
	again := must[aster.PublicKey](t)(seed.Public())
	if again != public || len(public.String()) != 64 {
		t.Error(again, public)
	}
	for _, format := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
		if text := fmt.Sprintf(format, seed); !strings.Contains(text, "****") || len(text) > 20 {
			t.Error(format, "shows", text)
		}
	}
	path := filepath.Join(t.TempDir(), "root.key")
	if err := aster.WriteRootKey(path, seed); err != nil {
		t.Fatal(err)
	}
	if facts, err := os.Stat(path); err != nil || facts.Mode().Perm() != 0o600 {
		t.Error(facts, err)
	}
	wantError(t, "twice", aster.WriteRootKey(path, seed), aster.ErrAlreadyExists, "")
	if read := must[aster.Seed](t)(aster.ReadRootKey(path)); read != seed {
		t.Error("another key")
	}
	_, err := aster.ReadRootKey(path + "x")
	wantError(t, "missing", err, aster.ErrIO, "no such file")

	for _, kind := range []string{"policy", "ott", "producer"} {
		made := aster.Credential{Type: kind, EndpointID: public.String(), ExpiresAt: hour(), Attributes: map[string]string{"a": "ä\"\u2028"}}
		document := must[string](t)(aster.SignCredential(made, seed))
		verdict := must[aster.Verdict](t)(aster.VerifyCredential(document, aster.Against{Root: &public, EndpointID: public.String()}))
		if !verdict.Valid || !verdict.Pinned || verdict.Reason != "" || verdict.Attributes["a"] != made.Attributes["a"] {
			t.Errorf("%s: %+v", kind, verdict)
		}
		_, other := newKey(t)
		for what, against := range map[string]aster.Against{
			"root key":    {Root: &other},
			"endpoint_id": {EndpointID: other.String()},
			"expired":     {At: hour().Add(time.Second)},
		} {
			verdict := must[aster.Verdict](t)(aster.VerifyCredential(document, against))
			if verdict.Valid || !strings.Contains(verdict.Reason, what) || len(verdict.Attributes) != 0 {
				t.Errorf("%s, %s: %+v", kind, what, verdict)
			}
		}
	}
	_, err = aster.SignCredential(aster.Credential{Type: "admin", ExpiresAt: hour()}, seed)
	wantError(t, "unknown type", err, aster.ErrCredential, "credential_type")
	_, err = aster.SignCredential(aster.Credential{Type: "producer", ExpiresAt: hour()}, seed)
	wantError(t, "unbound producer", err, aster.ErrCredential, "endpoint_id")
}

// TestTR22CredentialVectors judges the documents of trust.json; what only servers refuse is counted.
func TestTR22CredentialVectors(t *testing.T) {
	type entry struct {
		Name, Peer, Kind, Cause, Key string
		Document                     string  `json:"credential_json"`
		Raw                          string  `json:"credential_hex"`
		Root                         string  `json:"server_root"`
		EndpointID                   *string `json:"endpoint_id"`
		ExpiresAt                    int64   `json:"expires_at"`
		Attributes                   map[string]string
		Signature                    string
		PublicKey                    string `json:"public_key"`
	}
	var vectors struct {
		Now                                          int64
		Keys                                         map[string]struct{ Seed, Public string }
		Credentials, Negative, Tolerated, Signatures []entry
	}
	load(t, "trust.json", &vectors)
	key := func(text string) (key [32]byte) {
		if n, err := hex.Decode(key[:], []byte(text)); n != 32 || err != nil {
			t.Fatal(text, err)
		}
		return key
	}
	root := aster.PublicKey(key(vectors.Keys["root"].Public))
	valid := func(document, peer string, root *aster.PublicKey) bool {
		verdict, err := aster.VerifyCredential(document, aster.Against{Root: root, EndpointID: peer, At: time.Unix(vectors.Now, 0)})
		if err != nil && !errors.Is(err, aster.ErrCredential) && !errors.Is(err, aster.ErrInvalidUTF8) {
			t.Error(document, err)
		}
		return err == nil && verdict.Valid
	}
	for _, e := range append(vectors.Credentials, vectors.Tolerated...) {
		peer := e.Peer
		if e.EndpointID != nil {
			peer = *e.EndpointID
		}
		if !valid(e.Document, peer, &root) {
			t.Error(e.Name, "is refused")
		}
	}
	for _, e := range vectors.Credentials {
		if e.Kind == "ott" {
			continue // Its nonce is drawn; C signs it with the one of the vector.
		}
		made := aster.Credential{Type: e.Kind, ExpiresAt: time.Unix(e.ExpiresAt, 0), Attributes: e.Attributes}
		if e.EndpointID != nil {
			made.EndpointID = *e.EndpointID
		}
		signed, err := aster.SignCredential(made, aster.Seed(key(vectors.Keys[e.Key].Seed)))
		if err != nil || !strings.Contains(signed, e.Signature) {
			t.Error(e.Name, "is signed otherwise", err)
		}
	}
	elsewhere := 0
	for _, e := range vectors.Negative {
		document := e.Document
		if e.Raw != "" {
			document = string(must[[]byte](t)(hex.DecodeString(e.Raw)))
		}
		trusted := aster.PublicKey(key(vectors.Keys[e.Root].Public))
		if !valid(document, e.Peer, &trusted) {
			continue
		}
		switch {
		case e.Cause == "unbound" || e.Cause == "nonce_used" || e.Cause == "nonce_store":
		case strings.HasSuffix(e.Name, "-in-producer-admission") || strings.HasSuffix(e.Name, "-in-consumer-admission"):
		default:
			t.Error(e.Name, "is valid")
		}
		elsewhere++
	}
	for _, e := range vectors.Signatures {
		document := fmt.Sprintf(`{"credential_type":"policy","root_pubkey":"%s","expires_at":1893456000,"attributes":{},"signature":"%s"}`,
			e.PublicKey, e.Signature)
		if valid(document, "", nil) {
			t.Error(e.Name, "is valid")
		}
	}
	t.Logf("%d refused, %d of them by servers only", len(vectors.Negative), elsewhere)
}
