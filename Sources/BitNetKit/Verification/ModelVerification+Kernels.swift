// Every way to compute on this machine, and a fingerprint of what is computed.

extension ModelConfiguration {
    /// Tokens from all over the vocabulary, the same ones each time.
    package func fixedTokens(_ count: Int) -> [Int] {
        (0..<count).map { ($0 * 7919 + 11) % vocabularySize }
    }
}

extension BitNetModel {
    /// Tokens from all over the vocabulary, as many as the context holds.
    func fixedTokens(_ count: Int) -> [Int] {
        configuration.fixedTokens(min(count, configuration.contextLength))
    }

    /// What the model computes, to be compared on another machine; see `ModelRecord`.
    ///
    /// - Throws: `BitNetError.corruptTensor` where numbers are not finite, `.cancelled`,
    ///   `.outOfMemory`.
    public func record() async throws(BitNetError) -> ModelRecord {
        try await evaluating { model, isCancelled throws(BitNetError) in
            try model.computeRecord(isCancelled: isCancelled)
        }
    }

    func computeRecord(isCancelled: () -> Bool) throws(BitNetError) -> ModelRecord {
        let tokens = fixedTokens(16)
        let context = try InferenceContext(
            transformer, contextLength: tokens.count, cache: .f32)
        var hash = SHA256()
        var last: [Float] = []
        try context.forward(tokens, isCancelled: isCancelled) { index, logits in
            var bytes: [UInt8] = []
            bytes.reserveCapacity(4 * logits.count)
            for place in logits.indices {
                let bits = logits[place].bitPattern
                for shift: UInt32 in [0, 8, 16, 24] {
                    bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
                }
            }
            hash.update(bytes)
            if index == tokens.count - 1 { last = logits.indices.map { logits[$0] } }
            return true
        }
        let top = last.indices.sorted { (-last[$0], $0) < (-last[$1], $1) }.prefix(5)
        return ModelRecord(
            version: ModelRecord.currentVersion, model: configuration.name, tokens: tokens,
            sha256: hash.hexadecimal, topTokens: Array(top), topLogits: top.map { last[$0] })
    }
}

extension ModelVerification {
    /// Compares all kernel sets, one thread with several, and all layouts.
    ///
    /// - Parameter faulty: computes the bits of logits in a test of a fault.
    mutating func checkKernels(
        _ model: BitNetModel, progress: (String) -> Void, isCancelled: () -> Bool,
        faulty: ((Transformer, [Int]) throws(BitNetError) -> [[UInt32]])? = nil
    ) throws(BitNetError) {
        let tokens = model.fixedTokens(6)
        let expected = try Self.logits(model.transformer, tokens, isCancelled)
        let counts = Set([1, 2, model.threads]).sorted()
        for kernels in KernelSet.available {
            for threads in counts where kernels != model.kernels || threads != model.threads {
                progress("computing with \(kernels.name), threads: \(threads)")
                var transformer = model.transformer
                transformer.compute = Compute(
                    kernels: kernels, pool: WorkerPool(threads: threads, sharing: .every))
                let found =
                    if let faulty { try faulty(transformer, tokens) } else {
                        try Self.logits(transformer, tokens, isCancelled)
                    }
                guard found == expected else {
                    return note(
                        .kernels, .failed,
                        "\(kernels.name) with \(threadCount(threads)) computes other logits than "
                            + "\(model.kernels.name) with \(model.threads)")
                }
            }
        }
        let layers = model.transformer.blocks.flatMap(\.linearLayers)
        for (index, layer) in layers.enumerated() {
            if isCancelled() { throw .cancelled }
            progress("packing matrix \(index + 1) of \(layers.count) in every layout")
            if let layout = try layer.weight.differingLayout(model.compute) {
                return note(
                    .kernels, .failed,
                    "matrix \(index) packed as \(layout.rawValue) computes another product than as "
                        + layer.weight.layout.rawValue)
            }
        }
        let names = KernelSet.available.map(\.name).joined(separator: ", ")
        let threads = counts.map { "\($0)" }.joined(separator: ", ")
        note(
            .kernels, .passed,
            "the same bits from \(names) with \(threads) thread\(counts == [1] ? "" : "s"), and "
                + "from all layouts")
    }

    /// Of a batch, and of a token after it.
    static func logits(
        _ transformer: Transformer, _ tokens: [Int], _ isCancelled: () -> Bool
    ) throws(BitNetError) -> [[UInt32]] {
        let context = try InferenceContext(
            transformer, contextLength: tokens.count, cache: .f32)
        var rows: [[UInt32]] = []
        for part in [tokens.dropLast(), tokens.suffix(1)] {
            try context.forward(Array(part), isCancelled: isCancelled) { _, logits in
                rows.append(logits.indices.map { logits[$0].bitPattern })
                return true
            }
        }
        return rows
    }

    /// Notes what the model computes, and whether that is what it should.
    mutating func checkFingerprint(
        _ model: BitNetModel, against expected: ModelRecord?, isCancelled: () -> Bool
    ) throws(BitNetError) {
        let found = try model.computeRecord(isCancelled: isCancelled)
        fingerprint = found
        guard let expected else {
            return note(.fingerprint, .skipped, "there is no record to compare it with")
        }
        guard expected.version == found.version, expected.tokens == found.tokens else {
            return note(
                .fingerprint, .failed,
                "the record is of other tokens, of another model or version; make it anew")
        }
        guard expected.sha256 != found.sha256 else {
            return note(.fingerprint, .passed, "the record's")
        }
        let top = zip(expected.topTokens, found.topTokens)
        let differences = zip(expected.topLogits, found.topLogits).map { abs($0 - $1) }
        note(
            .fingerprint, .failed,
            "other logits than the record's: \(top.count { $0 == $1 }) of "
                + "\(found.topTokens.count) of the likeliest tokens are the same, their logits differ "
                + "by up to \((differences.max() ?? 0).short); another model, or a fault")
    }
}

extension TernaryMatrix {
    /// A layout in which the matrix computes something else; nil where all agree.
    fileprivate func differingLayout(_ compute: Compute) throws(BitNetError) -> TernaryLayout? {
        let input = (0..<columns).map { Float(($0 * 37) % 255 - 127) / 100 }
        let expected = try multiply(input, kernels: compute.kernels)
        for other in TernaryLayout.allCases where other != layout {
            let packed = try repacked(as: other, compute.pool)
            if try packed.multiply(input, kernels: compute.kernels) != expected { return other }
        }
        return nil
    }

    private func repacked(
        as layout: TernaryLayout, _ pool: WorkerPool
    ) throws(BitNetError) -> TernaryMatrix {
        let target = try PackedTrits(
            rows: rows, columns: columns, groupColumns: trits.groupColumns, layout: layout)
        try pool.tryParallel(rows, granule: 64, work: rows * columns) {
            (_, range) throws(BitNetError) in
            let scratch = try AlignedBuffer<Int8>(count: 64 * columns, purpose: "packing")
            for begin in stride(from: range.lowerBound, to: range.upperBound, by: 64) {
                let part = begin..<min(begin + 64, range.upperBound)
                trits.unpack(rows: part, into: scratch.view)
                target.pack(scratch.view, rows: part)
            }
        }
        return try TernaryMatrix(target, scale: scale)
    }
}
