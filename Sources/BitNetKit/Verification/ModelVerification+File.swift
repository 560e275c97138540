internal import Foundation
internal import Synchronization

// What can be said without loading the model.

/// Checks a file's tensors one after the other.
struct FileVerifier {
    let checkpoint: Checkpoint
    let configuration: ModelConfiguration
    let plan: [PlannedTensor]
    let pool: WorkerPool
    let progress: @Sendable (String) -> Void

    /// Looks for tensors that are missing, or one too many, or have another shape. Notes the
    /// structure and the sizes; nil where nothing more can be looked at.
    init?(
        _ checkpoint: Checkpoint, _ compute: Compute, i2sOrder: I2SOrder,
        into result: inout ModelVerification, progress: @escaping @Sendable (String) -> Void
    ) throws(BitNetError) {
        self.checkpoint = checkpoint
        self.progress = progress
        pool = compute.pool
        do throws(BitNetError) {
            configuration = try ModelConfiguration(checkpoint)
            var loader = ModelLoader(
                checkpoint, configuration, compute: compute, layout: .t2, progress: nil)
            loader.i2sOrder = i2sOrder
            plan = try loader.plan()
        } catch .shapeMismatch(let tensor, let expected, let found) {
            result.note(.structure, .passed, "\(checkpoint.tensors.count) tensors")
            try result.fail(
                .sizes, .shapeMismatch(tensor: tensor, expected: expected, found: found))
            return nil
        } catch .corruptTensor(let tensor, let detail) {
            // A norm was read while the tensors were looked for.
            result.note(.structure, .passed, "\(checkpoint.tensors.count) tensors")
            result.note(.sizes, .skipped, "a value is not usable")
            result.note(.codes, .skipped, "a value is not usable")
            try result.fail(.values, .corruptTensor(tensor: tensor, detail: detail))
            return nil
        } catch {
            try result.fail(.structure, error)
            return nil
        }
        result.note(
            .structure, .passed,
            "\(configuration.architecture.rawValue), \(configuration.layerCount) layers, all of "
                + "\(checkpoint.tensors.count) tensors have their place")
        try checkSizes(&result)
    }

    private func checkSizes(_ result: inout ModelVerification) throws(BitNetError) {
        for planned in plan {
            guard case .ternary(let source) = planned.content,
                source.tensor.meantShape != planned.shape
            else { continue }
            return try result.fail(
                .sizes,
                .shapeMismatch(
                    tensor: source.tensor.name, expected: planned.shape,
                    found: source.tensor.meantShape))
        }
        result.note(
            .sizes, .passed,
            "\(plan.count) tensors, hidden size \(configuration.hiddenSize), vocabulary "
                + "\(configuration.vocabularySize)")
    }

    /// Reads everything. Notes codes and values.
    func readAll(
        into result: inout ModelVerification, _ isCancelled: () -> Bool
    ) throws(BitNetError) {
        var (codes, values): ([String], [String]) = ([], [])
        var (trits, rounded, numbers) = (0, 0, 0)
        for (index, planned) in plan.enumerated() {
            if isCancelled() { throw .cancelled }
            progress("reading tensor \(index + 1) of \(plan.count)")
            switch planned.content {
            case .ternary(let source):
                guard
                    let plan = try noting(
                        &values, &codes,
                        { () throws(BitNetError) in
                            try source.plan(pool)
                        })
                else { continue }
                let content = try noting(&values, &codes) { () throws(BitNetError) in
                    try source.content(plan, pool)
                }
                trits += content?.trits.count ?? 0
                if let content, content.roundingError > 0 { rounded += 1 }
            case .dense(let tensor):
                if let odd = try tensor.firstNotFinite(pool) { values.append(odd) }
                numbers += tensor.elementCount
            case .vector(let vector): numbers += vector.count
            }
        }
        let note = rounded > 0 ? "; \(rounded) matrices are master weights" : ""
        result.note(.codes, codes, "\(trits) trits" + note)
        result.note(.values, values, "\(numbers) numbers and all scales are finite")
    }

    /// The value of `body`; where it fails, what is wrong goes to the list it belongs to.
    private func noting<Value>(
        _ values: inout [String], _ codes: inout [String],
        _ body: () throws(BitNetError) -> Value
    ) throws(BitNetError) -> Value? {
        do throws(BitNetError) { return try body() } catch {
            switch error {
            case .cancelled, .outOfMemory, .unreadable: throw error
            case .corruptTensor(_, let detail)
            where detail.contains("scale is") || detail.contains("not finite"):
                values.append("\(error)")
            default: codes.append("\(error)")
            }
            return nil
        }
    }
}

extension ModelVerification {
    fileprivate mutating func note(_ check: Check, _ problems: [String], _ good: String) {
        guard let first = problems.first else { return note(check, .passed, good) }
        let more = problems.count > 1 ? "; \(problems.count - 1) more like that" : ""
        note(check, .failed, first + more)
    }
}

extension CheckpointTensor {
    /// Where an embedding or LM head has a number that is not finite, in words; nil where all are.
    fileprivate func firstNotFinite(_ pool: WorkerPool) throws(BitNetError) -> String? {
        guard shape.count == 2, shape[0] > 0 else { return nil }
        let columns = shape[1]
        let rowBytes = columns / type.block.elements * type.block.bytes
        let first = Mutex<Int?>(nil)
        try pool.tryParallel(shape[0], work: elementCount * elementWork) {
            (_, rows) throws(BitNetError) in
            let values = try AlignedBuffer<Float>(count: columns, purpose: name)
            for begin in stride(from: rows.lowerBound, to: rows.upperBound, by: 256) {
                let part = begin..<min(begin + 256, rows.upperBound)
                let bytes = try region.slice(
                    part.lowerBound * rowBytes..<part.upperBound * rowBytes
                ).read()
                for row in part {
                    let start = (row - part.lowerBound) * rowBytes
                    try bytes.slice(start..<start + rowBytes).withUnsafeBytes {
                        Codec.decode(type, $0, into: values.view)
                    }
                    if !values.view.isFinite {
                        first.withLock { $0 = min($0 ?? row, row) }
                    }
                }
            }
        }
        return first.withLock { $0 }.map {
            "tensor '\(name)': row \($0) has a number that is not finite; the file is damaged"
        }
    }
}
