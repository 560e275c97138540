internal import BitNetKit

/// Some sequences of equal length, one after the other.
struct SequenceBatch {
    /// `[sequences * length]`.
    let tokens: [Int32]
    let sequences: Int
    let length: Int

    var count: Int { tokens.count }
}

extension ShadowNetwork {
    /// The residual stream up to the final norm, in `buffers`.
    func forward(_ batch: SequenceBatch) {
        precondition(
            batch.count == batch.sequences * batch.length && batch.count <= buffers.tokens
                && batch.length <= shape.contextLength)
        let hidden = shape.hiddenSize
        forEachToken(batch.count) { _, token in
            let row = embedding.lowerBound + Int(batch.tokens[token]) * hidden
            stream(0)[token].copy(from: parameter(row..<row + hidden))
        }
        for layer in blocks.indices {
            attend(layer, batch)
            feedForward(layer, batch)
        }
        forEachToken(batch.count) { _, token in
            let x = stream(blocks.count)[token]
            let factor = compute.kernels.rmsNorm(
                x, weight: parameter(finalNorm), epsilon: shape.normEpsilon, into: normed[token])
            if !(factor > 0) { noteDamage() }
        }
    }

    /// The residual stream before a block, or after the last.
    func stream(_ layer: Int) -> MatrixView { tokenView(buffers.residuals[layer]) }

    var normed: MatrixView { tokenView(buffers.normed) }

    /// A buffer that has as many floats for every token.
    func tokenView(_ buffer: AlignedBuffer<Float>) -> MatrixView {
        MatrixView(buffer.view, rows: buffers.tokens, columns: buffer.count / buffers.tokens)
    }

    /// Calls `body` for every token, on all threads.
    func forEachToken(_ count: Int, _ body: (_ thread: Int, _ token: Int) -> Void) {
        let work = count * shape.hiddenSize * elementWork
        compute.pool.parallel(count, work: work) { thread, range in
            for token in range { body(thread, token) }
        }
    }

    /// Normalises a vector for a linear layer; notes where it is not finite.
    private func store(
        _ x: BufferView<Float>, norm: Range<Int>, token: Int, thread: Int, into input: LinearInput
    ) {
        let factor = input.store(
            x, token: token, norm: parameter(norm), epsilon: shape.normEpsilon,
            scratch: threads.floats(thread), kernels: compute.kernels)
        if !(factor > 0) { noteDamage() }
    }

    private func multiply(
        _ linear: ShadowLinear, _ input: LinearInput, _ batch: SequenceBatch,
        into y: AlignedBuffer<Float>
    ) {
        let view = MatrixView(y.view, rows: batch.count, columns: linear.rows)
        linear.multiply(
            input, tokens: batch.count, into: view, compute: compute, threads: threads,
            products: products)
    }

    private func attend(_ index: Int, _ batch: SequenceBatch) {
        let (block, layer) = (blocks[index], buffers.layers[index])
        let x = stream(index)
        forEachToken(batch.count) { thread, token in
            store(
                x[token], norm: block.attentionNorm, token: token, thread: thread,
                into: layer.attentionInput)
        }
        multiply(block.projections, layer.attentionInput, batch, into: layer.projections)
        attention.forward(layer, batch, network: self)
        let attended = tokenView(layer.attended)
        forEachToken(batch.count) { thread, token in
            store(
                attended[token], norm: block.attentionSubNorm, token: token, thread: thread,
                into: layer.outputInput)
        }
        let middle = tokenView(layer.middle)
        multiply(block.output, layer.outputInput, batch, into: layer.middle)
        forEachToken(batch.count) { _, token in
            compute.kernels.add(x[token], to: middle[token])
        }
    }

    private func feedForward(_ index: Int, _ batch: SequenceBatch) {
        let (block, layer) = (blocks[index], buffers.layers[index])
        let middle = tokenView(layer.middle)
        forEachToken(batch.count) { thread, token in
            store(
                middle[token], norm: block.feedForwardNorm, token: token, thread: thread,
                into: layer.feedForwardInput)
        }
        multiply(block.gateUp, layer.feedForwardInput, batch, into: layer.gateUp)
        let inner = shape.feedForwardSize
        let gateUp = tokenView(layer.gateUp)
        forEachToken(batch.count) { thread, token in
            let scratch = threads.floats(thread)
            let gated = scratch[inner..<2 * inner]
            gate(gateUp[token], into: gated)
            store(
                gated, norm: block.feedForwardSubNorm, token: token, thread: thread,
                into: layer.downInput)
        }
        let next = buffers.residuals[index + 1]
        multiply(block.down, layer.downInput, batch, into: next)
        forEachToken(batch.count) { _, token in
            compute.kernels.add(middle[token], to: tokenView(next)[token])
        }
    }

    /// `relu(gate)^2 * up` of a token's gates and what they multiply.
    func gate(_ gateUp: BufferView<Float>, into gated: BufferView<Float>) {
        gated.copy(from: gateUp[0..<gated.count])
        compute.kernels.gated(.squaredReLU, gated, gateUp.from(gated.count))
    }
}

// MARK: - Logits

extension ShadowNetwork {
    /// Calls `body` with the logits of some tokens after the other, `[tokens, vocabulary]`, which it
    /// may change.
    func forEachLogits(
        _ count: Int, _ body: (_ tokens: Range<Int>, _ logits: MatrixView) -> Void
    ) {
        let vocabulary = shape.vocabularySize
        let table = MatrixView(
            parameter(embedding), rows: vocabulary, columns: shape.hiddenSize)
        for begin in stride(from: 0, to: count, by: buffers.logitTokens) {
            let tokens = begin..<min(begin + buffers.logitTokens, count)
            let logits = MatrixView(buffers.logits.view, rows: tokens.count, columns: vocabulary)
            let work = tokens.count * vocabulary * shape.hiddenSize
            compute.pool.parallelInPieces(tokens.count, granule: 16, work: work) { _, range in
                let x = normed.rows(
                    tokens.lowerBound + range.lowerBound..<tokens.lowerBound + range.upperBound)
                compute.kernels.dotProducts(
                    x, table, rows: 0..<vocabulary, into: logits.rows(range))
            }
            body(tokens, logits)
        }
    }

    /// The logits of every token of one sequence, `[tokens, vocabulary]`.
    func logits(_ tokens: [Int32]) -> [Float] {
        var all: [Float] = []
        forward(SequenceBatch(tokens: tokens, sequences: 1, length: tokens.count))
        forEachLogits(tokens.count) { _, logits in
            for row in 0..<logits.rows { all += logits[row].array }
        }
        return all
    }

    /// The sum of the losses of all tokens but each window's first, in nats.
    ///
    /// - Parameter windows: equally long, of at least two tokens.
    func loss(_ windows: [[Int32]]) -> Double {
        let batch = SequenceBatch(windows: windows)
        forward(batch)
        let targets = windows.flatMap { $0.dropFirst() }
        return loss(batch, targets: targets, factor: 1) { _, _ in }
    }

    /// The loss; the gradients of the logits times `factor` are given to `body`.
    ///
    /// - Parameter teacher: whose predictions change the gradients; the loss is that of the text.
    func loss(
        _ batch: SequenceBatch, targets: [Int32], factor: Float, teacher: Teacher? = nil,
        _ body: (_ tokens: Range<Int>, _ gradient: MatrixView) -> Void
    ) -> Double {
        forEachLogits(batch.count) { tokens, logits in
            teacher?.read(tokens, of: batch)
            let work = tokens.count * shape.vocabularySize * elementWork
            compute.pool.parallel(tokens.count, work: work) { thread, range in
                for row in range {
                    let token = tokens.lowerBound + row
                    let target = Int(targets[token])
                    buffers.losses.view[token] =
                        teacher?.loss(
                            logits[row], index: row, target: target, factor: factor,
                            thread: thread, kernels: compute.kernels)
                        ?? compute.kernels.crossEntropy(
                            logits[row], target: target, factor: factor)
                }
            }
            teacher?.count(tokens)
            body(tokens, logits)
        }
        return buffers.losses.view[0..<batch.count].array.reduce(0, +)
    }
}

extension SequenceBatch {
    /// The windows without their last token.
    init(windows: [[Int32]]) {
        let length = (windows.first?.count ?? 1) - 1
        self.init(
            tokens: windows.flatMap { $0.dropLast() }, sequences: windows.count, length: length)
    }
}
