public import BitNetKit

extension TrainingData: TrainingSource {
    /// See ``TrainingSource/windows(step:count:length:)``. `length` is the data's context and one.
    public func windows(step: Int, count: Int, length: Int) throws(BitNetError) -> [[Int32]] {
        try check(length)
        let (epoch, index) = (step * count).quotientAndRemainder(
            dividingBy: training.countPerEpoch)
        var position = TrainingPosition(epoch: epoch, index: index)
        let batch = try training.batch(of: count, at: &position)
        return (0..<count).map { Array(batch[$0]) }
    }

    /// See ``TrainingSource/validationWindows(length:limit:)``.
    public func validationWindows(
        length: Int, limit: Int
    ) throws(BitNetError) -> HeldOutWindows {
        try check(length)
        return try validation?.heldOut(limit: limit) ?? HeldOutWindows(windows: [])
    }

    /// See ``TrainingSource/fingerprint``: the file, how many documents are held out, and the seed.
    public var fingerprint: String {
        let heldOut = validation?.documents.count ?? 0
        return String(file.fingerprint, radix: 16) + "-\(heldOut)-\(training.seed)"
    }

    private func check(_ length: Int) throws(BitNetError) {
        guard length == training.context + 1 else {
            throw .invalidArgument(
                name: "context",
                detail: "the data is cut for \(training.context) tokens, the model takes "
                    + "\(length - 1)")
        }
    }
}

extension ValidationWindows {
    /// At most `limit` windows, spread evenly.
    func heldOut(limit: Int) throws(BitNetError) -> HeldOutWindows {
        var result = HeldOutWindows(windows: [])
        for index in evenly(limit, of: count) {
            let window = try window(index)
            result.windows.append(window.tokens)
            result.byteCount += window.byteCount
        }
        return result
    }
}
