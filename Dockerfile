# One image for every role of docker-compose.yml: the role is the command.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data KERAS_HOME=/data/keras HOST=0.0.0.0
WORKDIR /app

# The requirements alone first: they change seldom and take minutes. TensorFlow's headers, 290 MB, are for who compiles
# against it.
COPY requirements/base.txt requirements/base.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/base.txt && \
    rm -r /usr/local/lib/python3.*/site-packages/tensorflow/include

COPY . .
# A checkout made under a strict umask is the builder's alone; here another user reads it.
RUN chmod -R a+rX . && python -m compileall -q . && useradd --uid 1000 --create-home crowdtune && mkdir /data && \
    chown crowdtune /data
USER 1000
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "config.web"]
