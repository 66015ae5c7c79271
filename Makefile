# `make demo` and `make test` do all the set-up they need; python is the interpreter the environment is made with.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: setup demo test check format accuracy bench build clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[demo,plot,tune,dev]'
	touch $@

demo: setup
	$(BIN)/textcnn data get bbc-news -o demo
	$(BIN)/textcnn train demo/bbc-news/train.csv --test demo/bbc-news/test.csv -o demo/model
	$(BIN)/textcnn classify demo/model --input docs/demo-sentences.txt --format lines
	$(BIN)/textcnn benchmark speed demo/bbc-news/train.csv --quick

test: setup
	$(BIN)/python -m pytest

types: setup
	mkdir -p build/types
	ln -sfn ../../cli build/types/textcnn_cli
	ln -sfn ../../data build/types/textcnn_data
	MYPYPATH=build/types $(BIN)/mypy -p textcnn -p textcnn_cli

check: types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/textcnn benchmark speed --output docs/benchmarks/speed.json --table docs/benchmarks/speed.md --plot docs/benchmarks/speed.png

# Plain kim (words only, no wide branch) on real data, seeds 1-3; reads the folder that TEXTCNN_DATA names.
WORDS_ONLY = --set subwords=false --set wide=false --set pooling=max
accuracy: setup
	for name in trec sst2 banking77 imdb goemotions; do \
	  $(BIN)/textcnn benchmark accuracy $$TEXTCNN_DATA/$$name/train.csv.gz --test $$TEXTCNN_DATA/$$name/test.csv.gz \
	    $(WORDS_ONLY) --output docs/benchmarks/words-only/$$name.json || exit 1; \
	done

build: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist demo *.egg-info
