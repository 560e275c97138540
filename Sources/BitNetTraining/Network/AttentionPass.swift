internal import BitNetKit

/// Causal attention of all heads of one block, and its gradients.
///
/// Forward, each head of each token has its scores for itself, as inference has them. Backward goes
/// through one head in blocks of queries:
///
///     P = softmax(scale Q K^T)        dV += P^T dO
///     dS = scale P (dO V^T - D)       dQ = dS K, dK += dS^T Q
///
/// where D is the sum of P dO V^T in each row. Scores are computed again: keeping them would take
/// more memory than everything else. One thread does all heads of a sequence that share keys.
struct AttentionPass: Sendable {
    private let size, heads, groups: Int
    private let context: Int
    private let scale: Float
    private let places: ScratchPlaces

    /// Queries of a block.
    private static let blockQueries = 64

    init(_ shape: NetworkShape) {
        size = shape.headDimension
        heads = shape.headCount
        groups = shape.keyValueHeadCount
        context = shape.contextLength
        scale = 1 / Float(shape.headDimension).squareRoot()
        places = ScratchPlaces(
            size: size, groupSize: shape.headCount / shape.keyValueHeadCount,
            context: shape.contextLength, queries: AttentionPass.blockQueries)
    }

    /// Floats that each thread needs.
    var scratchCount: Int { places.count }

    private var groupSize: Int { heads / groups }
    private var hidden: Int { heads * size }

    /// Keys, or values, of one head of one sequence.
    private func head(
        _ buffer: AlignedBuffer<Float>, _ batch: SequenceBatch, sequence: Int, group: Int
    ) -> BufferView<Float> {
        let count = batch.length * size
        let start = (sequence * groups + group) * count
        return buffer.view[start..<start + count]
    }
}

// MARK: - Forward

extension AttentionPass {
    /// Rotates queries and keys, and attends.
    func forward(_ layer: PassBuffers.Layer, _ batch: SequenceBatch, network: ShadowNetwork) {
        let kernels = network.compute.kernels
        let projections = network.tokenView(layer.projections)
        let keyValueSize = groups * size
        network.forEachToken(batch.count) { _, token in
            let row = projections[token]
            let (sequence, position) = token.quotientAndRemainder(dividingBy: batch.length)
            network.rope.rotate(
                row[0..<hidden + keyValueSize], position: position, kernels: kernels)
            for group in 0..<groups {
                let place = position * size..<(position + 1) * size
                let start = hidden + group * size
                head(layer.keys, batch, sequence: sequence, group: group)[place].copy(
                    from: row[start..<start + size])
                head(layer.values, batch, sequence: sequence, group: group)[place].copy(
                    from: row[start + keyValueSize..<start + keyValueSize + size])
            }
        }
        // A unit is a token of a group of heads; a thread has the same keys for one after the other.
        let units = batch.sequences * groups * batch.length
        let work = units * groupSize * size * batch.length * elementWork / 2
        network.compute.pool.parallelInPieces(units, granule: 16, work: work) { thread, range in
            for unit in range {
                let (pair, position) = unit.quotientAndRemainder(dividingBy: batch.length)
                let (sequence, group) = pair.quotientAndRemainder(dividingBy: groups)
                attend(
                    layer, batch, sequence: sequence, group: group, position: position,
                    scratch: network.threads.floats(thread), network: network)
            }
        }
    }

    private func attend(
        _ layer: PassBuffers.Layer, _ batch: SequenceBatch, sequence: Int, group: Int,
        position: Int,
        scratch: BufferView<Float>, network: ShadowNetwork
    ) {
        let kernels = network.compute.kernels
        let token = sequence * batch.length + position
        let range = group * groupSize * size..<(group + 1) * groupSize * size
        let count = position + 1
        let stride = places.scoreStride
        let scores = scratch[0..<groupSize * stride]
        let totals = scratch.from(groupSize * stride)[0..<groupSize]
        let keys = head(layer.keys, batch, sequence: sequence, group: group)
        let values = head(layer.values, batch, sequence: sequence, group: group)
        kernels.attentionScores(
            queries: network.tokenView(layer.projections)[token][range], heads: groupSize,
            keys: .f32(keys), positions: 0..<count, scale: scale, into: scores, stride: stride)
        for head in 0..<groupSize {
            totals[head] = kernels.attentionWeights(
                scores[head * stride..<head * stride + count])
        }
        kernels.attentionValues(
            weights: scores, stride: stride, totals: totals, values: .f32(values),
            positions: count, dimensions: 0..<size,
            into: network.tokenView(layer.attended)[token][range])
    }
}

// MARK: - Backward

extension AttentionPass {
    /// From `attendedGradient` to `projectionGradient`.
    func backward(_ layer: PassBuffers.Layer, _ batch: SequenceBatch, network: ShadowNetwork) {
        let units = batch.sequences * groups
        let work = units * groupSize * batch.length * batch.length * size * 3
        network.compute.pool.parallelInPieces(units, work: work) { thread, range in
            for unit in range {
                let (sequence, group) = unit.quotientAndRemainder(dividingBy: groups)
                let pass = GroupBackward(
                    pass: self, layer: layer, batch: batch, sequence: sequence, group: group,
                    network: network, thread: thread)
                pass.run()
            }
        }
        let gradient = network.tokenView(network.buffers.projectionGradient)
        network.forEachToken(batch.count) { _, token in
            network.rope.rotate(
                gradient[token][0..<hidden + groups * size], position: token % batch.length,
                backwards: true, kernels: network.compute.kernels)
        }
    }

    /// The heads of one sequence that share keys, on one thread.
    private struct GroupBackward {
        let pass: AttentionPass
        let layer: PassBuffers.Layer
        let batch: SequenceBatch
        let sequence, group: Int
        let network: ShadowNetwork
        let thread: Int

        private var kernels: KernelSet { network.compute.kernels }
        private var length: Int { batch.length }
        private var size: Int { pass.size }

        /// Some columns of this sequence's tokens.
        private func window(_ buffer: AlignedBuffer<Float>, column: Int) -> MatrixView {
            network.tokenView(buffer).rows(sequence * length..<(sequence + 1) * length)
                .columns(column..<column + size)
        }

        private func scratch(_ range: Range<Int>) -> BufferView<Float> {
            network.threads.floats(thread)[range]
        }

        func run() {
            let places = pass.places
            let keys = MatrixView(
                pass.head(layer.keys, batch, sequence: sequence, group: group), rows: length,
                columns: size)
            let values = MatrixView(
                pass.head(layer.values, batch, sequence: sequence, group: group), rows: length,
                columns: size)
            kernels.pack(
                .transposed(keys), depths: 0..<size, into: scratch(places.transposedKeys))
            kernels.pack(
                .transposed(values), depths: 0..<size, into: scratch(places.transposedValues))
            kernels.pack(.matrix(keys), depths: 0..<length, into: scratch(places.keys))
            let column = pass.hidden + group * size
            let dKeys = window(network.buffers.projectionGradient, column: column)
            let dValues = window(
                network.buffers.projectionGradient, column: column + pass.groups * size)
            for row in 0..<length {
                dKeys[row].fill(0)
                dValues[row].fill(0)
            }
            for head in group * pass.groupSize..<(group + 1) * pass.groupSize {
                for begin in stride(from: 0, to: length, by: AttentionPass.blockQueries) {
                    let end = min(begin + AttentionPass.blockQueries, length)
                    block(head: head, queries: begin..<end, dKeys: dKeys, dValues: dValues)
                }
            }
        }

        /// A block of queries of one head, with all keys that the last of them sees.
        private func block(
            head: Int, queries: Range<Int>, dKeys: MatrixView, dValues: MatrixView
        ) {
            let places = pass.places
            let (count, seen) = (queries.count, queries.upperBound)
            let q = window(layer.projections, column: head * size).rows(queries)
            let dOut = window(network.buffers.attendedGradient, column: head * size).rows(queries)
            let dQ = window(network.buffers.projectionGradient, column: head * size).rows(queries)
            let weights = MatrixView(scratch(places.weights), rows: count, columns: seen)
            let gradient = MatrixView(scratch(places.gradient), rows: count, columns: seen)

            multiply(q, places.transposedKeys, depth: size, into: weights)
            multiply(dOut, places.transposedValues, depth: size, into: gradient)
            for row in 0..<count {
                let visible = queries.lowerBound + row + 1
                let p = weights[row][0..<visible]
                kernels.scale(p, by: pass.scale)
                kernels.softmax(p)
                kernels.softmaxBackward(p, gradient: gradient[row][0..<visible], scale: pass.scale)
                weights[row].from(visible).fill(0)
                gradient[row].from(visible).fill(0)
            }
            multiply(gradient, places.keys, depth: length, into: dQ)
            kernels.pack(.matrix(dOut), depths: 0..<count, into: scratch(places.queries))
            accumulate(weights, depth: count, into: dValues.rows(0..<seen))
            kernels.pack(.matrix(q), depths: 0..<count, into: scratch(places.queries))
            accumulate(gradient, depth: count, into: dKeys.rows(0..<seen))
        }

        /// `c = a b`, b packed at `place` with `depth`, which may be more than a has columns.
        private func multiply(
            _ a: MatrixView, _ place: Range<Int>, depth: Int, into c: MatrixView
        ) {
            kernels.product(
                FloatProduct(a, packed: scratch(place), bDepth: depth, into: c),
                rows: 0..<c.rows, scratch: network.products.block(thread: thread))
        }

        /// `c += a^T b`, b packed where queries are.
        private func accumulate(_ a: MatrixView, depth: Int, into c: MatrixView) {
            kernels.product(
                FloatProduct(
                    a, isTransposed: true, packed: scratch(pass.places.queries), bDepth: depth,
                    into: c, accumulates: true),
                rows: 0..<c.rows, scratch: network.products.block(thread: thread))
        }
    }
}

/// Where a thread's scratch has what.
private struct ScratchPlaces: Sendable {
    /// Forward: from the scores of one head to those of the next.
    let scoreStride: Int
    /// Backward: packed factors, then a block of weights and one of their gradients.
    let transposedKeys, transposedValues, keys, queries, weights, gradient: Range<Int>
    let count: Int

    init(size: Int, groupSize: Int, context: Int, queries blockQueries: Int) {
        // A vector more than there are positions: heads a power of two apart would share the same
        // few places of level 1.
        scoreStride = (context / 16 + 1) * 16
        var end = 0
        func place(_ count: Int) -> Range<Int> {
            defer { end += (count + 15) / 16 * 16 }
            return end..<end + count
        }
        let transposed = KernelSet.packedFactorSize(depth: size, columns: context)
        transposedKeys = place(transposed)
        transposedValues = place(transposed)
        keys = place(KernelSet.packedFactorSize(depth: context, columns: size))
        queries = place(KernelSet.packedFactorSize(depth: blockQueries, columns: size))
        weights = place(blockQueries * context)
        gradient = place(blockQueries * context)
        count = max(end, groupSize * (scoreStride + 1) + 16)
    }
}
