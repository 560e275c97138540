// Errors and element types come with this module.
@_exported public import TernaryCompute
