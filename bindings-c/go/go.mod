module aster.invalid/aster

go 1.19
