module aster.invalid/tests

go 1.19

require aster.invalid/aster v0.0.0

replace aster.invalid/aster => ../../bindings-c/go
