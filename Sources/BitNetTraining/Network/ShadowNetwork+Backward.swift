internal import BitNetKit

extension ShadowNetwork {
    /// Adds the gradients of `factor` times the loss of all windows, and returns the loss's sum.
    ///
    /// - Parameters:
    ///   - windows: equally long, of at least two tokens, as many as fit a pass.
    ///   - teacher: whose predictions are learnt too; the loss that is returned is that of the text.
    func accumulate(_ windows: [[Int32]], factor: Float, teacher: Teacher? = nil) -> Double {
        let batch = SequenceBatch(windows: windows)
        forward(batch)
        let targets = windows.flatMap { $0.dropFirst() }
        let sum = loss(batch, targets: targets, factor: factor, teacher: teacher, lmHeadBackward)
        let d = tokenView(buffers.residualGradient).rows(0..<batch.count)
        forEachToken(batch.count) { _, token in d[token].fill(0) }
        let hidden = tokenView(buffers.hiddenGradient)
        normBackward(
            stream(blocks.count), norm: finalNorm, gradient: hidden, tokens: batch.count, into: d)
        for layer in blocks.indices.reversed() {
            feedForwardBackward(layer, batch, d)
            attentionBackward(layer, batch, d)
        }
        embeddingBackward(batch, d)
        return sum
    }

    /// Gradients of the final norm's output, into `hiddenGradient`, and of the embedding as LM head.
    private func lmHeadBackward(_ tokens: Range<Int>, _ gradient: MatrixView) {
        let (vocabulary, hidden) = (shape.vocabularySize, shape.hiddenSize)
        let table = MatrixView(parameter(embedding), rows: vocabulary, columns: hidden)
        compute.product(
            gradient, .matrix(table), into: tokenView(buffers.hiddenGradient).rows(tokens),
            scratch: products)
        compute.product(
            gradient, isTransposed: true, .matrix(normed.rows(tokens)),
            into: MatrixView(self.gradient(embedding), rows: vocabulary, columns: hidden),
            accumulates: true, scratch: products)
    }

    /// Adds the gradient of a norm's input to `dx`, and that of its weight.
    private func normBackward(
        _ x: MatrixView, norm: Range<Int>, gradient: MatrixView, tokens: Int, into dx: MatrixView
    ) {
        norms.accumulate(tokens: tokens, into: self.gradient(norm), compute: compute) {
            _, token, sum in
            compute.kernels.rmsNormBackward(
                x[token], weight: parameter(norm), gradient: gradient[token],
                epsilon: shape.normEpsilon, into: dx[token], weightGradient: sum)
        }
    }

    private func backward(
        _ linear: ShadowLinear, _ dy: MatrixView, _ input: LinearInput, into dx: MatrixView
    ) {
        linear.backward(dy, input: input, into: dx, compute: compute, products: products)
    }

    /// From the gradient of a block's output, in `d`, to that of its middle.
    private func feedForwardBackward(_ index: Int, _ batch: SequenceBatch, _ d: MatrixView) {
        let (block, layer) = (blocks[index], buffers.layers[index])
        let inner = shape.feedForwardSize
        let dNormed = tokenView(buffers.innerGradient).rows(0..<batch.count)
        backward(block.down, d, layer.downInput, into: dNormed)

        let (gateUp, dGateUp) = (tokenView(layer.gateUp), tokenView(buffers.gateUpGradient))
        let subNorm = block.feedForwardSubNorm
        norms.accumulate(tokens: batch.count, into: gradient(subNorm), compute: compute) {
            thread, token, sum in
            let scratch = threads.floats(thread)
            let (gated, dGated) = (scratch[0..<inner], scratch[inner..<2 * inner])
            gate(gateUp[token], into: gated)
            dGated.fill(0)
            compute.kernels.rmsNormBackward(
                gated, weight: parameter(subNorm), gradient: dNormed[token],
                epsilon: shape.normEpsilon, into: dGated, weightGradient: sum)
            compute.kernels.squaredReLUBackward(
                gate: gateUp[token][0..<inner], up: gateUp[token].from(inner), gradient: dGated,
                gateGradient: dGateUp[token][0..<inner], upGradient: dGateUp[token].from(inner))
        }
        let dHidden = tokenView(buffers.hiddenGradient).rows(0..<batch.count)
        backward(
            block.gateUp, dGateUp.rows(0..<batch.count), layer.feedForwardInput, into: dHidden)
        normBackward(
            tokenView(layer.middle), norm: block.feedForwardNorm, gradient: dHidden,
            tokens: batch.count, into: d)
    }

    /// From the gradient of a block's middle, in `d`, to that of its input.
    private func attentionBackward(_ index: Int, _ batch: SequenceBatch, _ d: MatrixView) {
        let (block, layer) = (blocks[index], buffers.layers[index])
        let dHidden = tokenView(buffers.hiddenGradient).rows(0..<batch.count)
        backward(block.output, d, layer.outputInput, into: dHidden)
        let dAttended = tokenView(buffers.attendedGradient)
        forEachToken(batch.count) { _, token in dAttended[token].fill(0) }
        normBackward(
            tokenView(layer.attended), norm: block.attentionSubNorm, gradient: dHidden,
            tokens: batch.count, into: dAttended)
        attention.backward(layer, batch, network: self)
        let dProjections = tokenView(buffers.projectionGradient).rows(0..<batch.count)
        backward(block.projections, dProjections, layer.attentionInput, into: dHidden)
        normBackward(
            stream(index), norm: block.attentionNorm, gradient: dHidden, tokens: batch.count,
            into: d)
    }

    /// Adds the gradients of the rows that were looked up: in the order of the tokens, in slices of
    /// the columns.
    private func embeddingBackward(_ batch: SequenceBatch, _ d: MatrixView) {
        let hidden = shape.hiddenSize
        let table = gradient(embedding)
        let work = batch.count * hidden * elementWork
        compute.pool.parallel(hidden, granule: 16, work: work) { _, columns in
            for token in 0..<batch.count {
                let row = Int(batch.tokens[token]) * hidden
                compute.kernels.add(
                    d[token][columns],
                    to: table[row + columns.lowerBound..<row + columns.upperBound])
            }
        }
    }
}
