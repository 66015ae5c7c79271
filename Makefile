# `make demo` and `make test` do all the set-up they need; python is the interpreter the environment is made with.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
CORE = $(VENV)/.core
LOWEST_EXTRAS = demo,image,plot,report,serve,tune,hub,tensorboard,teacher,explain,export,ray,spark,polars,duckdb,docs,dev
# datatrove wants a newer numpy than textcnn does.
EXTRAS = $(LOWEST_EXTRAS),datatrove

.PHONY: setup core wasm demo test test-fast test-lowest check format bench bench-step bench-lookup bench-serve bench-ray soak fuzz-serve bench-peers bench-memory bench-scale panel panel-peers with-glove accurate words-only kim2014 imbalance architectures images reasons audit evidence docs guards faults fuzz fuzz-core vulnerabilities other-pythons lean build wheels clean bench-train bench-classify bench-filter languages core-check words bench-strangers bench-teacher bench-trees bench-scores hypernyms

setup: $(INSTALLED) $(CORE)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	$(WASM)
	touch $@ $(CORE)

# A library that is older than its sources is refused, and torch trains in its place; so is the reader of tables in a page.
$(CORE): $(wildcard textcnn/core/src/*) textcnn/core/build.py | $(INSTALLED)
	$(BIN)/python textcnn/core/build.py
	$(WASM)
	touch $@

# What zig has compiled of its own C library is kept: it takes longer than the reader.
WASM = ZIG_GLOBAL_CACHE_DIR=$(CURDIR)/build/zig ZIG_LOCAL_CACHE_DIR=$(CURDIR)/build/zig $(BIN)/python -m textcnn.core --wasm
wasm: $(INSTALLED)
	$(WASM)

demo: setup
	$(BIN)/textcnn data get bbc-news -o demo
	$(BIN)/textcnn train demo/bbc-news/train.csv --test demo/bbc-news/test.csv -o demo/model
	$(BIN)/textcnn classify demo/model --input docs/demo-sentences.txt --format lines
	$(BIN)/textcnn benchmark speed demo/bbc-news/train.csv --quick

test: setup
	$(BIN)/python -m pytest -n auto --dist worksteal

# In about a minute: without tests that start processes, browsers or clusters, and without the slowest of the rest.
test-fast: setup
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not (process or browser or cluster or slow)"

# The same with the oldest versions of what pyproject.toml asks for.
LOWEST = build/lowest
test-lowest:
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet -c constraints-lowest.txt -e '.[$(LOWEST_EXTRAS)]'
	$(LOWEST)/bin/python -m pytest -n auto --dist worksteal

# The core in C, built again into the checkout; and its checks: warnings, cppcheck, sanitizers.
core: setup
	$(BIN)/python textcnn/core/build.py
	$(WASM)

core-check: setup
	$(BIN)/python tools/core_check.py

types: setup
	mkdir -p build/types
	ln -sfn ../../cli build/types/textcnn_cli
	ln -sfn ../../data build/types/textcnn_data
	MYPYPATH=build/types $(BIN)/mypy -p textcnn -p textcnn_cli -p benchmarks

check: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Words of our own dialect that the code and README.md are to lose, counted; tests/test_words.py bounds them.
words:
	$(PYTHON) tools/words.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/textcnn benchmark speed --output docs/benchmarks/speed.json --table docs/benchmarks/speed.md --plot docs/benchmarks/speed.png

# Training against the first edition, fastText (TEXTCNN_PEERS_PYTHON, as below) and plain PyTorch, on a quiet machine.
# ONLY=a,b measures these parts again; the others stay as they are in the document.
bench-train: setup
	$(BIN)/python -m benchmarks.train $(if $(ONLY),--only $(ONLY)) --output $(RESULTS)/train.json --table $(RESULTS)/train.md

# Classifying files, sentences and a file of 1 GB, against fastText; as above.
bench-classify: setup
	$(BIN)/python -m benchmarks.classify $(if $(ONLY),--only $(ONLY)) --output $(RESULTS)/classify.json --table $(RESULTS)/classify.md

# Filtering documents against fastText (TEXTCNN_PEERS_PYTHON must have pyarrow too), columns of engines, kills; as above.
bench-filter: setup
	$(BIN)/python -m benchmarks.filter $(if $(ONLY),--only $(ONLY)) --output $(RESULTS)/filter.json --table $(RESULTS)/filter.md

# Language identification, compared with fastText, on the translated messages of programs that this machine has.
CATALOGS = /usr/share/locale
languages: setup
	$(BIN)/python -m benchmarks.languages build/languages --catalogs $(CATALOGS) --output $(RESULTS)/languages.json --table $(RESULTS)/languages.md

bench-step: setup
	$(BIN)/python -m benchmarks.step --output docs/benchmarks/step.json --table docs/benchmarks/step.md
	$(BIN)/python -m benchmarks.step $$TEXTCNN_DATA/imdb/train.csv.gz \
	  --output docs/benchmarks/step-imdb.json --table docs/benchmarks/step-imdb.md

# Real data sets, in the folder that TEXTCNN_DATA names: the default with its parts and the baselines, and plain kim.
# SETS=a,b measures these again; the others stay as they are in the document. A stopped start is continued.
SETS = trec,sst2,mr,sms-spam,banking77,goemotions,nsmc-recipe,imdb,wordnet-gloss-45
RESULTS = docs/benchmarks
PANEL = $(BIN)/python -m benchmarks.panel $$TEXTCNN_DATA
OURS = $(PANEL) --only ours --baselines-of $(RESULTS)/panel-peers.json \
	  --output $(RESULTS)/accuracy.json --table $(RESULTS)/accuracy.md --plot $(RESULTS)/accuracy.png

panel: setup
	$(OURS) --sets $(SETS)

# The baselines, which do not depend on this code, and the panel with them as its document has our model.
# TEXTCNN_PEERS_PYTHON names an interpreter that has fastText, if this environment has not.
panel-peers: setup
	$(PANEL) --sets $(SETS) --only peers --output $(RESULTS)/panel-peers.json --table $(RESULTS)/panel-peers.md
	$(OURS)

with-glove: setup
	$(PANEL) --sets trec,sst2,mr,banking77,wordnet-gloss-45,goemotions --only ours --set vectors=$$TEXTCNN_DATA/glove.100k.100d.txt.gz \
	  --output $(RESULTS)/with-glove.json --table $(RESULTS)/with-glove.md

# Three networks a run (seeds 1 to 3), so one run is enough.
accurate: setup
	$(PANEL) --sets trec:1,sst2:1 --only ours --set preset=accurate \
	  --output $(RESULTS)/accurate.json --table $(RESULTS)/accurate.md
	$(PANEL) --sets trec:1,sst2:1 --only ours --set preset=accurate \
	  --set vectors=$$TEXTCNN_DATA/glove.100k.100d.txt.gz \
	  --output $(RESULTS)/accurate-with-glove.json --table $(RESULTS)/accurate-with-glove.md

words-only: setup
	$(PANEL) --sets trec,sst2,banking77,imdb,goemotions --only ours \
	  --set subwords=false --set wide=false --set pooling=max \
	  --output $(RESULTS)/words-only.json --table $(RESULTS)/words-only.md

# The look-up runtime on SST-2 sentences, with a model of their training rows whose best epoch the dev rows chose.
bench-lookup: setup
	$(BIN)/textcnn train $$TEXTCNN_DATA/sst2/train.csv.gz --dev $$TEXTCNN_DATA/sst2/dev.csv.gz -o build/lookup-model
	$(BIN)/python -m benchmarks.lookup build/lookup-model $$TEXTCNN_DATA/sst2/test.csv.gz \
	  --output $(RESULTS)/lookup.json --table $(RESULTS)/lookup.md

# The server under load: single sentences of TREC over the loopback, one worker and two; a minute each.
bench-serve: setup
	$(BIN)/textcnn train $$TEXTCNN_DATA/trec/train.csv.gz -o build/served-model
	$(BIN)/python -m benchmarks.serve build/served-model $$TEXTCNN_DATA/trec/test.csv.gz \
	  --output $(RESULTS)/serve.json --table $(RESULTS)/serve.md

# The server among faults: good, bad, slow and rude clients, reloads, kills. SECONDS of it.
SECONDS ?= 600
soak: setup
	$(BIN)/textcnn train $$TEXTCNN_DATA/trec/train.csv.gz -o build/served-model
	$(BIN)/textcnn train $$TEXTCNN_DATA/trec/train.csv.gz --seed 2 -o build/served-model-2
	$(BIN)/python -m benchmarks.soak build/served-model build/served-model-2 $$TEXTCNN_DATA/trec/test.csv.gz \
	  --seconds $(SECONDS) --output $(RESULTS)/soak.json --table $(RESULTS)/soak.md

# Requests made of the server's own description, EXAMPLES of each operation.
EXAMPLES ?= 2000
fuzz-serve: setup
	TEXTCNN_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/serve/test_described.py

# Beside fastText (TEXTCNN_PEERS_PYTHON, as above) and a linear SVM; a stopped start goes on where it was.
bench-peers: setup
	$(BIN)/python -m benchmarks.peers $$TEXTCNN_DATA/imdb/train.csv.gz $$TEXTCNN_DATA/imdb/test.csv.gz \
	  --folder build/peers --output $(RESULTS)/peers.json --table $(RESULTS)/peers.md

# Kim 2014 by its protocol; a stopped start goes on where it was.
kim2014: setup
	$(BIN)/python -m benchmarks.kim2014 $$TEXTCNN_DATA/mr/all.csv.gz --vectors $$TEXTCNN_DATA/glove.100k.100d.txt.gz \
	  --output $(RESULTS)/kim2014.json --table $(RESULTS)/kim2014.md

# Predicted ratings against ridge regression; `textcnn data get vader-movie` and `vader-tweets` write the sets to data/.
bench-scores: setup
	$(BIN)/python -m benchmarks.scores data --output $(RESULTS)/scores.json --table $(RESULTS)/scores.md

# Rare labels and wrong labels; likewise.
# What a teacher brings (extra `teacher`); runs that the document has are not repeated.
bench-teacher: setup
	$(BIN)/python -m benchmarks.teacher $$TEXTCNN_DATA --output $(RESULTS)/teacher.json --table $(RESULTS)/teacher.md

# Thousands of labels: needs Debian's wordnet-base, and fastText as above.
hypernyms: setup
	$(BIN)/python -m benchmarks.hypernyms --output $(RESULTS)/hypernyms.json --table $(RESULTS)/hypernyms.md

imbalance: setup
	$(BIN)/python -m benchmarks.imbalance $$TEXTCNN_DATA --output $(RESULTS)/imbalance.json --table $(RESULTS)/imbalance.md

# WordNet's glosses with their labels as a tree: rows answered at 95 % accuracy, with and without it.
bench-trees: setup
	$(BIN)/python -m benchmarks.trees $$TEXTCNN_DATA --output $(RESULTS)/trees.json --table $(RESULTS)/trees.md

# Labels held out of Banking77 as strangers: largest probability against none_of_these.
bench-strangers: setup
	$(BIN)/python -m benchmarks.strangers $$TEXTCNN_DATA --output $(RESULTS)/strangers.json --table $(RESULTS)/strangers.md

# Every text architecture under one budget, without the wide branch that only kim has by default; likewise.
# On IMDB that is one epoch and one seed: about two hours on one core, most of them of recurrent and character nets.
COMPARE = $(BIN)/textcnn benchmark accuracy
architectures: architectures-trec architectures-imdb

architectures-imdb: BUDGET = --seeds 1 --set epochs=1
architectures-%: setup
	$(COMPARE) $$TEXTCNN_DATA/$*/train.csv.gz --test $$TEXTCNN_DATA/$*/test.csv.gz \
	  --architectures all --baselines none --set wide=false $(BUDGET) --output $(RESULTS)/architectures-$*.json \
	  --table $(RESULTS)/architectures-$*.md --plot $(RESULTS)/architectures-$*.png

# The convolutional nets beside the fully connected one; likewise.
IMAGES = build/images
images: setup
	$(BIN)/textcnn data get fashion-mnist -o $(IMAGES)
	$(BIN)/textcnn data get digits -o $(IMAGES)
	$(COMPARE) $(IMAGES)/fashion-mnist --test $(IMAGES)/fashion-mnist --architectures vgg,mlp2d \
	  --seeds 1 --baselines none --set epochs=3 --output $(RESULTS)/fashion-mnist.json \
	  --table $(RESULTS)/fashion-mnist.md --plot $(RESULTS)/fashion-mnist.png
	$(COMPARE) $(IMAGES)/digits --test $(IMAGES)/digits --architectures lenet,vgg,resnet,inception,mlp2d \
	  --baselines none --output $(RESULTS)/digits.json \
	  --table $(RESULTS)/digits.md --plot $(RESULTS)/digits.png

# Explanations and what-if: are they what they say? Models of the default and the pure preset for each set.
REASONS = build/reasons
TRAIN = $(BIN)/textcnn train $$TEXTCNN_DATA

reasons: setup
	for set in trec sst2 imdb; do for preset in default pure; do \
	  $(TRAIN)/$$set/train.csv.gz --preset $$preset --seed 1 -o $(REASONS)/$$set-$$preset || exit 1; done; done
	for preset in default pure; do $(TRAIN)/goemotions/train.csv.gz --dev $$TEXTCNN_DATA/goemotions/dev.csv.gz \
	  --preset $$preset --seed 1 -o $(REASONS)/goemotions-$$preset || exit 1; done
	$(BIN)/python -m benchmarks.reasons $$TEXTCNN_DATA $(REASONS) \
	  --output $(RESULTS)/reasons.json --table $(RESULTS)/reasons.md

# Labels of SST-2 made wrong at random, three times, and how many of them an audit ranks first; likewise. With GloVe.
audit: setup
	$(BIN)/python -m benchmarks.audit $$TEXTCNN_DATA/sst2/train.csv.gz --set threads=1 \
	  --set vectors=$$TEXTCNN_DATA/glove.100k.100d.txt.gz --set keep_vectors=0 \
	  --output $(RESULTS)/audit.json --table $(RESULTS)/audit.md

# Texts without evidence in training: of SST-2's test, and of random words.
evidence: setup
	$(BIN)/textcnn train $$TEXTCNN_DATA/sst2/train.csv.gz --dev $$TEXTCNN_DATA/sst2/dev.csv.gz --evidence \
	  -o build/evidence-model
	$(BIN)/python -m benchmarks.evidence build/evidence-model $$TEXTCNN_DATA/sst2/test.csv.gz \
	  --output $(RESULTS)/evidence.json --table $(RESULTS)/evidence.md

# Peak memory of classify on a file of 1 GB.
bench-memory: setup
	$(BIN)/textcnn train $$TEXTCNN_DATA/imdb/train.csv.gz -o build/big-file-model
	$(BIN)/python -m benchmarks.memory build/big-file-model $$TEXTCNN_DATA/imdb/test.csv.gz \
	  --output $(RESULTS)/memory.json --table $(RESULTS)/memory.md

# Prices of files, rows, tokens and steps, fitted here and checked on other runs; what they say of 1, 10 and 100 nodes.
# numpy's products take all cores unless they are told not to, and then two processes are more than twice as slow as one.
bench-scale: setup
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.scale $$TEXTCNN_DATA/imdb/train.csv.gz --folder build/scale \
	  --output $(RESULTS)/scale.json --table $(RESULTS)/scale.md

# The documentation site, in build/site; a link that leads nowhere is an error.
docs: setup
	$(BIN)/python -m mkdocs build

# Each guard of docs/guarantees.md is taken away in a copy of the tree; its test must fail then.
guards: setup
	$(BIN)/python -m tools.robustness.guards.mutate --table
	$(BIN)/python -m tools.robustness.guards.mutate

# Harm done on purpose, 200 rounds of it, and ten million rows through classify: what is lost is counted.
ROUNDS = 200
faults: setup
	$(BIN)/python -m tools.robustness.faults.run --rounds $(ROUNDS) --output $(RESULTS)/faults.json
	$(BIN)/python -m tools.robustness.faults.rows --output $(RESULTS)/rows.json

# RAY_ROWS rows in 40 Parquet files on three nodes, one of which is killed in the middle, beside a single process.
RAY_ROWS = 10000000
bench-ray: setup
	$(BIN)/python -m tools.robustness.faults.ray_rows --rows $(RAY_ROWS) --output $(RESULTS)/ray.json

# Damaged files for every reader, so many seconds each, and files that unpack to gigabytes: an error of ours is all that may come.
FUZZ_SECONDS ?= 10
fuzz: setup
	$(BIN)/python -m tools.robustness.fuzzing.fuzz --seconds $(FUZZ_SECONDS) --output $(RESULTS)/fuzz.json
	$(BIN)/python -m tools.robustness.fuzzing.bombs --output $(RESULTS)/bombs.json

# Entry points of the core by libFuzzer, on code that watches memory and undefined behaviour, EXECUTIONS of each target.
# It needs clang.
EXECUTIONS ?= 10000000
fuzz-core: setup
	$(BIN)/python -m tools.fuzz_core --executions $(EXECUTIONS) --output $(RESULTS)/fuzz-core.json

# What needs no torch, on other Pythons: make other-pythons PYTHONS='python3.12 python3.13'.
PYTHONS ?= python3.12 python3.13
LIGHT = numpy tokenizers safetensors typer rich pyarrow scipy fastapi uvicorn httptools uvloop
other-pythons: setup
	for python in $(PYTHONS); do place=build/pythons/$$(basename $$python); \
	  test -x $$place/bin/python || $$python -m venv $$place || exit 1; \
	  $$place/bin/python -m pip install --quiet $(LIGHT) || exit 1; done
	TEXTCNN_PYTHONS=$$(for python in $(PYTHONS); do printf '%s:' $(CURDIR)/build/pythons/$$(basename $$python)/bin/python; done) \
	  $(BIN)/python -m pytest -q tests/guarantees/test_other_pythons.py

# Training, classifying, explaining and evaluating without torch and what comes with it, in a real environment; its size.
LEAN = build/lean
LEAN_PACKAGES = numpy tokenizers safetensors typer rich pyarrow
lean: setup
	test -x $(LEAN)/bin/python || $(PYTHON) -m venv --without-pip $(LEAN)
	$(BIN)/python -m pip --python $(LEAN)/bin/python install --quiet -c constraints.txt $(LEAN_PACKAGES)
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m pip --python $(LEAN)/bin/python install --quiet --no-deps .
	TEXTCNN_LEAN=$(CURDIR)/$(LEAN)/bin/python $(BIN)/python -m pytest -q tests/guarantees/test_lean.py
	du -sh --apparent-size $(LEAN)/lib/python3*/site-packages

# Known vulnerabilities of what is installed here. It asks a database in the network; out of its reach the check says
# so, and fails with 3. No test depends on it.
AUDIT = build/audit
vulnerabilities: setup
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip install --quiet pip-audit; }
	$(BIN)/python -m tools.robustness.vulnerabilities $(AUDIT)/bin/pip-audit

build: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# Wheels of Linux (glibc and musl), macOS and Windows, built by zig and checked, in build/wheels.
wheels: setup
	$(BIN)/python tools/wheels.py --output $(RESULTS)/wheels.json

clean:
	rm -rf $(VENV) build dist demo *.egg-info
