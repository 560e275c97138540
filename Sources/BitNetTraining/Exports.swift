// What is trained is run and written by the library.
@_exported public import BitNetKit
