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
    private var loader: ModelLoader

    /// A scale that looks as if it were meant the other way, once all have been read.
    var scaleDoubt: ScaleDoubt? { loader.scaleDoubt }

    /// Looks for tensors that are missing, or one too many, or have another shape. Notes the
    /// structure and the sizes; nil where nothing more can be looked at.
    init?(
        _ checkpoint: Checkpoint, _ compute: Compute, i2sOrder: I2SOrder,
        into result: inout ModelVerification, progress: @escaping @Sendable (String) -> Void
    ) throws(BitNetError) {
        self.checkpoint = checkpoint
        self.progress = progress
        pool = compute.pool
        let count = checkpoint.tensors.count
        let cutShort = "\(counted(count, "tensor")), not all of which were looked for"
        do throws(BitNetError) {
            configuration = try ModelConfiguration(checkpoint)
            loader = ModelLoader(
                checkpoint, configuration, compute: compute, layout: .t2, progress: nil)
            loader.i2sOrder = i2sOrder
            plan = try loader.plan()
        } catch .shapeMismatch(let tensor, let expected, let found) {
            result.note(.structure, .undecided, cutShort)
            try result.fail(
                .sizes, .shapeMismatch(tensor: tensor, expected: expected, found: found))
            return nil
        } catch .corruptTensor(let tensor, let detail) {
            // A norm was read while the tensors were looked for.
            result.note(.structure, .undecided, cutShort)
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
            "\(configuration.architecture.rawValue), \(counted(configuration.layerCount, "layer")), all "
                + "of \(counted(count, "tensor")) have their place")
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
            "hidden size \(configuration.hiddenSize), feed-forward "
                + "\(configuration.feedForwardSize), vocabulary \(configuration.vocabularySize)")
    }

    /// Reads everything. Notes codes and values, and what shows only now of structure and sizes.
    mutating func readAll(
        into result: inout ModelVerification, _ isCancelled: () -> Bool
    ) throws(BitNetError) {
        var findings = ReadFindings()
        var (trits, rounded, numbers) = (0, 0, 0)
        for (index, planned) in plan.enumerated() {
            if isCancelled() { throw .cancelled }
            progress("reading tensor \(index + 1) of \(plan.count)")
            switch planned.content {
            case .ternary(let source):
                guard let content = try read(source, &findings) else { continue }
                trits += content.trits.count
                if content.roundingError > 0 { rounded += 1 }
            case .dense(let tensor):
                if let odd = try tensor.firstNotFinite(pool) {
                    findings.problems[.values, default: []].append(odd)
                }
                numbers += tensor.elementCount
            case .vector(let vector): numbers += vector.count
            }
        }
        let note =
            rounded > 0 ? "; \(counted(rounded, "matrix is", "matrices are")) master weights" : ""
        findings.note(.codes, "\(trits.grouped) trits" + note, in: &result)
        findings.note(.values, "\(numbers.grouped) numbers and all scales are finite", in: &result)
        for check in [ModelVerification.Check.structure, .sizes]
        where findings.problems[check] != nil { findings.note(check, "", in: &result) }
    }

    /// A matrix; nil where it cannot be read, which is noted.
    private mutating func read(
        _ source: TernarySource, _ findings: inout ReadFindings
    ) throws(BitNetError) -> TernaryContent? {
        var stage = ReadFindings.Stage.scales
        do throws(BitNetError) {
            let plan = try source.plan(pool)
            stage = .trits
            let content = try source.content(plan, pool)
            try loader.note(largestScale: content.largestScale, of: source)
            return content
        } catch {
            try findings.add(error, stage, of: source.tensor.name)
            return nil
        }
    }
}

/// What reading matrices has found, by the check that it belongs to.
private struct ReadFindings {
    /// What is read of a matrix: first its scales, or weights that are stored as floats, then its
    /// trits.
    enum Stage {
        case scales, trits
    }

    var problems: [ModelVerification.Check: [String]] = [:]
    /// Matrices of which another check has made the reading end.
    private var unread: [ModelVerification.Check: [String]] = [:]

    /// Files an error; where it is an interruption it goes on.
    mutating func add(
        _ error: BitNetError, _ stage: Stage, of tensor: String
    ) throws(BitNetError) {
        let check: ModelVerification.Check
        switch error {
        case .cancelled, .outOfMemory, .unreadable: throw error
        case .shapeMismatch: check = .sizes
        case .missingTensor, .unexpectedTensor, .invalidMetadata: check = .structure
        case .corruptTensor: check = stage == .scales ? .values : .codes
        default: check = .codes
        }
        problems[check, default: []].append("\(error)")
        if check != .codes { unread[.codes, default: []].append(tensor) }
        if check != .values, stage == .scales { unread[.values, default: []].append(tensor) }
    }

    /// Notes a check: failed, undecided where something was not read, else passed with `good`.
    func note(
        _ check: ModelVerification.Check, _ good: String, in result: inout ModelVerification
    ) {
        var rest = ""
        if let names = unread[check], let first = names.first {
            let more = names.count > 1 ? " and \(names.count - 1) more" : ""
            rest = "; not read: \(first.quoted)\(more)"
        }
        guard let problems = problems[check], let first = problems.first else {
            return result.note(check, rest.isEmpty ? .passed : .undecided, good + rest)
        }
        let more = problems.count > 1 ? "; \(problems.count - 1) more like that" : ""
        result.note(check, .failed, first + more + rest)
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
