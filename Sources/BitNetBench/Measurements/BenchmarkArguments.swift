// What every benchmark asks of its caller, so that a size nobody can measure is an error and no trap.

/// Throws `BitNetError.invalidArgument` unless `holds`.
func require(
    _ holds: Bool, _ name: String, _ detail: @autoclosure () -> String
) throws(BitNetError) {
    if !holds { throw .invalidArgument(name: name, detail: detail()) }
}

extension WorkerPool {
    /// Threads of their own for a benchmark.
    static func benchmark(threads: Int) throws(BitNetError) -> WorkerPool {
        try check(threads: threads)
        return WorkerPool(threads: threads)
    }
}

/// Weights of the largest matrix, and numbers of the largest batch: 16 GB as FP32.
private let largestCount = 1 << 32

/// Whether a matrix can be multiplied by all kernels, with `batch` inputs.
func requireMeasurable(
    rows: Int, columns: Int, batch: Int = 1, multipleOf width: Int = 16
) throws(BitNetError) {
    try require(
        rows > 0 && columns > 0 && columns % width == 0, "shape",
        "[\(rows), \(columns)] is not at least one row of a multiple of \(width) columns")
    try require(batch > 0, "batch", "\(batch) is not positive")
    for sizes in [[rows, columns], [batch, rows], [batch, columns]] {
        try require(
            elementCount(of: sizes).map { $0 <= largestCount } ?? false, "shape",
            "\(sizes[0]) times \(sizes[1]) numbers are more than \(largestCount)")
    }
}
