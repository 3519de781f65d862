package aster

// #include "glue.h"
import "C"

import "unsafe"

// goText copies borrowed text.
func goText(text C.aster_str_t) string {
	return C.GoStringN(text.ptr, C.int(text.len))
}

// goBytes copies bytes of the library and releases them.
func goBytes(bytes C.aster_bytes_t) []byte {
	copied := C.GoBytes(unsafe.Pointer(bytes.ptr), C.int(bytes.len))
	C.glue_bytes_free(bytes)
	return copied
}

// goPairs copies borrowed pairs.
func goPairs(pairs *C.aster_pair_t, n C.size_t) map[string]string {
	copied := make(map[string]string, int(n))
	if n > 0 {
		for _, pair := range unsafe.Slice(pairs, int(n)) {
			copied[goText(pair.key)] = goText(pair.value)
		}
	}
	return copied
}

// goError copies a borrowed error; nil for NULL.
func goError(err *C.aster_error_t) error {
	if err == nil {
		return nil
	}
	copied := &Error{
		Code:    Code(C.aster_error_code(err)),
		Status:  Status(C.aster_error_status(err)),
		Message: goText(C.aster_error_message(err)),
		Details: map[string]string{},
		cause:   goError(C.aster_error_source(err)),
	}
	for i := C.size_t(0); i < C.aster_error_detail_count(err); i++ {
		detail := C.glue_error_detail(err, i)
		copied.Details[goText(detail.key)] = goText(detail.value)
	}
	return copied
}

// check returns the error of a result, which it releases; nil if there is none.
func check(result C.glue_result_t) error {
	if result.error == nil {
		return nil
	}
	err := goError(result.error)
	C.aster_error_free(result.error)
	return err
}

// scratch holds copies of Go values in C's memory for one call of the library.
type scratch struct{ blocks []unsafe.Pointer }

func (s *scratch) free() {
	for _, block := range s.blocks {
		C.free(block)
	}
	s.blocks = nil
}

func (s *scratch) hold(block unsafe.Pointer) unsafe.Pointer {
	s.blocks = append(s.blocks, block)
	return block
}

// text copies a string.
func (s *scratch) text(text string) C.aster_str_t {
	return C.aster_str_t{ptr: (*C.char)(s.hold(unsafe.Pointer(C.CString(text)))), len: C.size_t(len(text))}
}

// optional copies a string; the empty one is absent.
func (s *scratch) optional(text string) C.aster_str_t {
	if text == "" {
		return C.aster_str_t{}
	}
	return s.text(text)
}

// json copies JSON text.
func (s *scratch) json(text []byte) C.aster_str_t {
	return C.aster_str_t{ptr: (*C.char)(s.hold(C.CBytes(text))), len: C.size_t(len(text))}
}

// texts copies strings.
func (s *scratch) texts(texts []string) (*C.aster_str_t, C.size_t) {
	if len(texts) == 0 {
		return nil, 0
	}
	block := (*C.aster_str_t)(s.hold(C.calloc(C.size_t(len(texts)), C.sizeof_aster_str_t)))
	copies := unsafe.Slice(block, len(texts))
	for i, text := range texts {
		copies[i] = s.text(text)
	}
	return block, C.size_t(len(texts))
}

// pairs copies pairs.
func (s *scratch) pairs(pairs map[string]string) (*C.aster_pair_t, C.size_t) {
	if len(pairs) == 0 {
		return nil, 0
	}
	block := (*C.aster_pair_t)(s.hold(C.calloc(C.size_t(len(pairs)), C.sizeof_aster_pair_t)))
	copies := unsafe.Slice(block, len(pairs))
	i := 0
	for key, value := range pairs {
		copies[i] = C.aster_pair_t{key: s.text(key), value: s.text(value)}
		i++
	}
	return block, C.size_t(len(pairs))
}
