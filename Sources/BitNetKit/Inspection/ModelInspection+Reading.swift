public import Foundation

extension ModelInspection {
    /// Reads a GGUF file or a Hugging Face folder. Blocks the calling thread; memory stays far below
    /// the size of the file.
    ///
    /// A file with a graph that this package does not know, or with matrices that are not ternary, is
    /// described as far as it can be; `warnings` and the tensors say what is wrong.
    ///
    /// - Parameters:
    ///   - url: what `BitNetModel.load(_:options:progress:)` takes.
    ///   - i2sOrder: how the codes of I2_S tensors lie in their bytes.
    ///   - progress: called with the share of the ternary weights read, in [0, 1].
    /// - Throws: `BitNetError` where there is no such file, its directory is damaged, or somebody
    ///   changes it meanwhile; `.cancelled` when the current task is.
    public static func inspect(
        _ url: URL, i2sOrder: I2SOrder = .a, progress: (@Sendable (Double) -> Void)? = nil
    ) throws(BitNetError) -> ModelInspection {
        let checkpoint = try Checkpoint(opening: url.path)
        var reader = InspectionReader(checkpoint, i2sOrder: i2sOrder)
        try checkpoint.reading { () throws(BitNetError) in try reader.read(progress) }
        return reader.inspection
    }
}

/// Fills an inspection in.
private struct InspectionReader {
    let checkpoint: Checkpoint
    let i2sOrder: I2SOrder
    let compute = Compute.standard
    var inspection: ModelInspection
    private var positions: [String: Int] = [:]

    init(_ checkpoint: Checkpoint, i2sOrder: I2SOrder) {
        self.checkpoint = checkpoint
        self.i2sOrder = i2sOrder
        inspection = ModelInspection(
            path: checkpoint.path, container: checkpoint.container,
            tensors: checkpoint.tensors.map { tensor in
                ModelInspection.Tensor(
                    name: tensor.name, type: tensor.type.rawValue, shape: tensor.meantShape,
                    byteCount: tensor.region.count)
            })
        for (position, tensor) in checkpoint.tensors.enumerated() {
            positions[tensor.name] = position
        }
    }

    mutating func read(_ progress: (@Sendable (Double) -> Void)?) throws(BitNetError) {
        do throws(BitNetError) {
            let configuration = try ModelConfiguration(checkpoint)
            inspection.graph = ModelGraph(configuration)
            noteStructure(configuration)
            try readMatrices(configuration, progress)
            noteRounding(configuration)
            noteText(configuration)
        } catch .cancelled {
            throw .cancelled
        } catch {
            inspection.warnings.append("\(error)")
        }
        try readOthers(progress)
        noteScales()
        inspection.noteBits()
    }
}

// MARK: - Matrices

extension InspectionReader {
    private mutating func readMatrices(
        _ configuration: ModelConfiguration, _ progress: (@Sendable (Double) -> Void)?
    ) throws(BitNetError) {
        var loader = loader(configuration)
        let total = Double(configuration.ternaryWeightCount)
        var done = 0
        for layer in 0..<configuration.layerCount {
            var silent: Set<Int>? = []
            for part in LinearPart.allCases {
                if Task.isCancelled { throw .cancelled }
                let content = try content(of: part, layer, &loader)
                if part == .gate || part == .up {
                    silent = content.flatMap { silent?.union($0.zeroRows) }
                }
                done += configuration.shape(of: part).reduce(1, *)
                progress?(Double(done) / total)
            }
            inspection.silentNeurons.append(silent?.count)
        }
        inspection.warnings += loader.warnings
    }

    private func loader(_ configuration: ModelConfiguration) -> ModelLoader {
        var loader = ModelLoader(
            checkpoint, configuration, compute: compute, layout: .t2, progress: nil)
        loader.i2sOrder = i2sOrder
        loader.allowsLossy = true
        return loader
    }

    /// What a matrix holds; nil where there is none or it cannot be read, which is noted.
    private mutating func content(
        of part: LinearPart, _ layer: Int, _ loader: inout ModelLoader
    ) throws(BitNetError) -> TernaryContent? {
        // A matrix that is missing is noted with what else is.
        guard let source = try? loader.source(part, layer),
            let position = positions[source.tensor.name]
        else { return nil }
        inspection.tensors[position].layer = layer
        inspection.tensors[position].part = part.rawValue
        do throws(BitNetError) {
            let content = try source.content(compute.pool)
            try loader.note(largestScale: content.largestScale, of: source)
            inspection.tensors[position].ternary = content
            return content
        } catch .cancelled {
            throw .cancelled
        } catch {
            inspection.tensors[position].problem = "\(error)"
            inspection.warnings.append("\(error); it is not counted")
            return nil
        }
    }

    /// Counts ternary tensors that the graph has no place for, or all of them where it is not known.
    private mutating func readOthers(
        _ progress: (@Sendable (Double) -> Void)?
    ) throws(BitNetError) {
        let others = checkpoint.tensors.indices.filter { position in
            let (tensor, found) = (checkpoint.tensors[position], inspection.tensors[position])
            return tensor.type.isTernary && tensor.shape.count == 2 && tensor.elementCount > 0
                && found.ternary == nil && found.problem == nil
        }
        let scratch = TensorScratch()
        for (index, position) in others.enumerated() {
            if Task.isCancelled { throw .cancelled }
            let tensor = checkpoint.tensors[position]
            let shape = tensor.meantShape
            let source = TernarySource(
                tensor: tensor, rows: shape[0], columns: shape[1],
                // The scale as it stands in the file: what it means, the graph would say.
                scaleTensor: checkpoint.tensor(named: tensor.name + "_scale"),
                direction: .multiply, masters: .approximate, interleavedHeads: 0,
                order: i2sOrder, scratch: scratch)
            do throws(BitNetError) {
                inspection.tensors[position].ternary = try source.content(compute.pool)
            } catch .cancelled {
                throw .cancelled
            } catch {
                inspection.tensors[position].problem = "\(error)"
                inspection.warnings.append("\(error); it is not counted")
            }
            progress?(Double(index + 1) / Double(others.count))
        }
    }

    /// Notes scales of 0, whose weights are zeros whatever their trits are.
    private mutating func noteScales() {
        let all = inspection.tensors.filter { $0.ternary.map { $0.largestScale == 0 } ?? false }
        if let first = all.first {
            inspection.warnings.append(
                "the scale of '\(first.name)' is 0"
                    + (all.count > 1 ? ", and of \(all.count - 1) more matrices" : "")
                    + ": all their weights are zeros")
        }
        let some = inspection.tensors.filter { tensor in
            tensor.ternary.map { $0.smallestScale == 0 && $0.largestScale > 0 } ?? false
        }
        guard let first = some.first else { return }
        inspection.warnings.append(
            "some scales of '\(first.name)' are 0"
                + (some.count > 1 ? ", and of \(some.count - 1) more matrices" : "")
                + ": these rows or groups are zeros")
    }

    /// Looks for what else a model needs, and for what it does not know.
    private mutating func noteStructure(_ configuration: ModelConfiguration) {
        var loader = loader(configuration)
        do throws(BitNetError) {
            _ = try loader.plan()
        } catch {
            inspection.warnings.append("\(error)")
        }
        inspection.warnings += loader.warnings
    }

    /// Notes matrices that are not ternary in the file.
    private mutating func noteRounding(_ configuration: ModelConfiguration) {
        let rounded = inspection.tensors.filter { ($0.ternary?.roundingError ?? 0) > 0 }
        guard let worst = rounded.max(by: { $0.roundingErrorOrZero < $1.roundingErrorOrZero })
        else { return }
        let error = String(format: "%.2g", worst.roundingErrorOrZero)
        inspection.warnings.append(
            "\(counted(rounded.count, "matrix is", "matrices are")) not ternary in the file"
                + (configuration.quantizesMasters
                    ? ": master weights, which are rounded when the model loads (relative squared "
                        + "error up to \(error), as intended)"
                    : "; rounding them ruins a model that was not trained for it (relative squared "
                        + "error up to \(error)), and loading refuses them"))
    }
}

extension ModelInspection {
    fileprivate mutating func noteBits() {
        guard let stored = storedBitsPerWeight, let t2 = bitsPerWeight(packedAs: .t2),
            let t5 = bitsPerWeight(packedAs: .t5)
        else { return }
        let all = trits
        bits = TernaryBits(
            stored: stored, t2: t2, t5: t5,
            entropy: entropy([all.negatives, all.zeros, all.positives]))
    }
}

extension ElementType {
    /// Whether elements of this type are trits, whatever tensor has it.
    fileprivate var isTernary: Bool {
        switch self {
        case .tq1_0, .tq2_0, .i2_s, .iq1_bn, .iq2_bn, .iq2_bn_r4, .packedTernary: true
        default: false
        }
    }
}

extension ModelInspection.Tensor {
    fileprivate var roundingErrorOrZero: Double { ternary?.roundingError ?? 0 }
}

// MARK: - Text

extension InspectionReader {
    /// Notes what is odd about the tokenizer, the chat template and what the file leaves open.
    private mutating func noteText(_ configuration: ModelConfiguration) {
        do throws(BitNetError) {
            let tokenizer = try Tokenizer(checkpoint, rows: configuration.vocabularySize)
            try tokenizer.check(
                fits: configuration.vocabularySize, path: checkpoint.path)
            inspection.warnings += tokenizer.missingTokens(of: checkpoint) + tokenizer.warnings
            if tokenizer.preTokenizerWasInferred {
                inspection.warnings.append(
                    "the file does not say how text is cut into words (tokenizer.ggml.pre); it is "
                        + "inferred from the vocabulary")
            }
            let template = try ChatTemplate(checkpoint, tokenizer: tokenizer)
            if let warning = template?.warning { inspection.warnings.append(warning) }
        } catch {
            inspection.warnings.append("\(error)")
        }
        if case .gguf(let file) = checkpoint.metadata,
            (try? ChatTemplate.Origin(file))?.isPlaceholder == true
        {
            inspection.warnings.append(
                "the chat template is the placeholder of a converter; the model was trained with "
                    + "another one, which is used instead")
        }
        guard !checkpoint.statesActivation else { return }
        inspection.warnings.append(
            "the file does not state its activation function; "
                + "\(configuration.activation.rawValue) follows from its architecture")
    }
}

// MARK: - Files

extension Checkpoint {
    /// What kind of file this is, in words.
    fileprivate var container: String {
        let files = Set(tensors.map(\.region.path)).count
        switch metadata {
        case .gguf: return files > 1 ? "GGUF, \(files) parts" : "GGUF"
        case .huggingFace:
            return "Hugging Face folder, \(files) safetensors file\(files == 1 ? "" : "s")"
        }
    }
}

extension Checkpoint {
    /// Whether the file names the activation function, rather than its architecture alone.
    fileprivate var statesActivation: Bool {
        switch metadata {
        case .gguf(let file):
            guard let prefix = try? file.string("general.architecture") else { return false }
            let reader = GGUFConfigReader(gguf: file, checkpoint: self, prefix: prefix)
            return (try? reader.activation()) != nil
        case .huggingFace(let folder):
            return ["hidden_act", "hidden_activation"].contains { folder.config[$0]?.string != nil }
        }
    }
}
