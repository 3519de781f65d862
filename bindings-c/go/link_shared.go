//go:build !aster_static

package aster

// #cgo pkg-config: aster
import "C"
