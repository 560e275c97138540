// One import gives a user all floors below.
@_exported public import BitNetFiles
@_exported public import BitNetTokenizers
@_exported public import TernaryCompute
