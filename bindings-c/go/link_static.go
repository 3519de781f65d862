//go:build aster_static

package aster

// #cgo pkg-config: aster-static
import "C"
