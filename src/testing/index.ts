export { executorContract, type TestFunction } from './contract.ts'
