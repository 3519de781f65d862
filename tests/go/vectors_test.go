package tests

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aster.invalid/aster"
)

// load reads one of the shared vector files.
func load(t *testing.T, name string, into any) {
	t.Helper()
	folder := os.Getenv("ASTER_VECTORS_DIR")
	if folder == "" {
		folder = "../../../shared/vectors"
	}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func TestStatuses(t *testing.T) {
	var wire struct {
		Rows []struct {
			Code int32
			Name string
		} `json:"status_codes"`
	}
	load(t, "wire.json", &wire)
	constants := []aster.Status{
		aster.OK, aster.Cancelled, aster.Unknown, aster.InvalidArgument, aster.DeadlineExceeded, aster.NotFound,
		aster.AlreadyExists, aster.PermissionDenied, aster.ResourceExhausted, aster.FailedPrecondition, aster.Aborted,
		aster.OutOfRange, aster.Unimplemented, aster.Internal, aster.Unavailable, aster.DataLoss,
		aster.Unauthenticated, aster.ContractViolation,
	}
	if len(wire.Rows) != len(constants) {
		t.Fatalf("%d statuses, %d constants", len(wire.Rows), len(constants))
	}
	for i, row := range wire.Rows {
		if constants[i] != aster.Status(row.Code) || constants[i].String() != row.Name {
			t.Errorf("%s: %d is %s", row.Name, constants[i], constants[i])
		}
	}
	if aster.Status(250).String() != "CODE_250" {
		t.Error("an unknown status stays a number")
	}
}

func TestAddresses(t *testing.T) {
	var wire struct {
		Addresses []struct {
			Name, Input, Error string
		}
	}
	load(t, "wire.json", &wire)
	for _, row := range wire.Addresses {
		if row.Error == "" || row.Input == "" {
			continue // Dialling is no test of a parser; no text means the configured address.
		}
		_, err := aster.Connect(context.Background(), row.Input)
		wantError(t, row.Name, err, aster.ErrAddress, "invalid address: ")
	}
}

type echoRequest struct {
	Message string `aster:"message"`
}

func (echoRequest) AsterTag() string { return "echo/EchoRequest" }

type echoResponse struct {
	Reply string `aster:"reply,required"`
}

func (echoResponse) AsterTag() string { return "echo/EchoResponse" }

type author struct {
	Name  string `aster:"name"`
	Books []book `aster:"books"`
}

func (author) AsterTag() string { return "example/Author" }

type book struct {
	Title     string `aster:"title"`
	WrittenBy author `aster:"written_by"`
}

func (book) AsterTag() string { return "example/Book" }

type shelf struct {
	First book `aster:"first"`
	N     int  `aster:"n"`
}

func (shelf) AsterTag() string { return "example/Shelf" }

type changedAuthor struct {
	Name  string        `aster:"name"`
	Born  *aster.Date   `aster:"born"`
	Books []changedBook `aster:"books"`
}

func (changedAuthor) AsterTag() string { return "example/Author" }

type changedBook struct {
	Title     string        `aster:"title"`
	WrittenBy changedAuthor `aster:"written_by"`
}

func (changedBook) AsterTag() string { return "example/Book" }

type changedShelf struct {
	First changedBook `aster:"first"`
	N     int         `aster:"n"`
}

func (changedShelf) AsterTag() string { return "example/Shelf" }

type alpha struct {
	Name  string `aster:"name"`
	Betas []beta `aster:"betas"`
}

func (alpha) AsterTag() string { return "chain/Alpha" }

type beta struct {
	Name   string  `aster:"name"`
	Gammas []gamma `aster:"gammas"`
}

func (beta) AsterTag() string { return "chain/Beta" }

type gamma struct {
	Name   string  `aster:"name"`
	Alphas []alpha `aster:"alphas"`
}

func (gamma) AsterTag() string { return "chain/Gamma" }

type treeNode struct {
	Value string    `aster:"value"`
	Left  *treeNode `aster:"left"`
	Right *treeNode `aster:"right"`
}

func (treeNode) AsterTag() string { return "example/TreeNode" }

type item struct {
	Name string `aster:"name"`
	Qty  int    `aster:"qty"`
}

func (item) AsterTag() string { return "app/Item" }

type nest struct {
	LL   [][]int                   `aster:"ll"`
	LO   []*string                 `aster:"lo"`
	MO   map[string]*int           `aster:"mo"`
	ML   map[string][]item         `aster:"ml"`
	MM   map[string]map[string]int `aster:"mm"`
	LLL  [][][]float64             `aster:"lll"`
	LOL  []*[]*int                 `aster:"lol"`
	Same [][]int                   `aster:"same"`
	LRO  []*item                   `aster:"lro"`
}

func (nest) AsterTag() string { return "app/Nest" }

func echoMethod(options ...aster.MethodOption) aster.Method {
	return aster.Unary[echoRequest, echoResponse]("echo", nil, options...)
}

// described are services of the vectors, declared in Go.
var described = map[string]*aster.ServiceDesc{
	"echo":                 aster.NewService("EchoService", 1, echoMethod()),
	"echo_requires_role":   aster.NewService("EchoService", 1, echoMethod()).Requires("caller"),
	"echo_method_requires": aster.NewService("EchoService", 1, echoMethod(aster.Requires(aster.AnyOf("b", "a")))),
	"echo_timeout_idempotent": aster.NewService("EchoService", 3,
		echoMethod(aster.Timeout(2500*time.Millisecond), aster.Idempotent())),
	"bare_scalars": aster.NewService("Calc", 1,
		aster.Unary[string, string]("s", nil), aster.Unary[int, int]("i", nil), aster.Unary[float64, float64]("f", nil),
		aster.Unary[bool, bool]("b", nil), aster.Unary[[]byte, []byte]("y", nil)),
	"nested_containers": aster.NewService("Nest", 1, aster.Unary[nest, item]("call", nil)),
	"book_only":         aster.NewService("Library", 1, aster.Unary[book, book]("call", nil)),
	"shelf":             aster.NewService("Library", 1, aster.Unary[shelf, shelf]("call", nil)),
	"book_only_author_changed": aster.NewService("Library", 1,
		aster.Unary[changedBook, changedBook]("call", nil)),
	"shelf_author_changed": aster.NewService("Library", 1, aster.Unary[changedShelf, changedShelf]("call", nil)),
	"three_cycle":          aster.NewService("Chain", 1, aster.Unary[beta, alpha]("call", nil)),
	"tree":                 aster.NewService("Trees", 1, aster.Unary[treeNode, treeNode]("call", nil)),
}

func TestContractIDs(t *testing.T) {
	var contract struct {
		Services []struct {
			ID         string
			ContractID string `json:"contract_id"`
		}
	}
	load(t, "contract.json", &contract)
	seen := 0
	for _, row := range contract.Services {
		description, ok := described[row.ID]
		if !ok {
			continue
		}
		seen++
		id, err := description.ContractID()
		if err != nil || id != row.ContractID {
			t.Errorf("%s: %s, %v", row.ID, id, err)
		}
	}
	if seen != len(described) {
		t.Errorf("%d of %d services are in the vectors", seen, len(described))
	}
}
